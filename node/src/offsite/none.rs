//! What this program does about S3 when it was built without it: it says so.

use std::path::Path;

use crate::config::Config;
use crate::server::Server;

#[derive(Default)]
pub struct Offsite;

impl Offsite {
    pub fn send(&self, _: &'static Server, _: &Path) {}

    pub fn finish(&self) {}
}

pub fn bring(config: &Config) -> Result<(), String> {
    match config.db_s3_object.is_empty() {
        true => Ok(()),
        false => Err("db-s3-object is set, but this program was built without S3 (feature `s3`)".into()),
    }
}

pub fn write_info(_: &mut crate::info::Info<'_>, _: &mut crate::info::Lines) {}
