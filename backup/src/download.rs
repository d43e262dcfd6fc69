//! An object comes from the storage, in parts: all of the same version, however long it takes.

use std::io::Write;

use futures_util::{StreamExt, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use crate::{Error, PART, PARTS, Store};

impl Store {
    /// Writes an object to `out`; how many bytes that were. `told` hears how many have come, and how many will.
    pub fn get(&self, key: &str, out: &mut dyn Write, told: &mut dyn FnMut(u64, u64)) -> Result<u64, Error> {
        self.get_parts(key, out, PART, told)
    }

    pub(crate) fn get_parts(
        &self,
        key: &str,
        out: &mut dyn Write,
        part: u64,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, Error> {
        let path = Path::parse(key)?;
        self.run(async {
            let about = self.inner.head(&path).await?;
            let (len, tag) = (about.size, about.e_tag);
            let starts = (0..len.div_ceil(part)).map(|n| n * part);
            let fetch = |at: u64| {
                let range = GetRange::Bounded(at..(at + part).min(len));
                let options =
                    GetOptions { range: Some(range), if_match: tag.clone(), ..GetOptions::default() };
                async { self.inner.get_opts(&path, options).await?.bytes().await }
            };
            let mut parts = stream::iter(starts).map(fetch).buffered(PARTS);
            let mut got = 0;
            while let Some(bytes) = parts.next().await {
                let bytes = bytes?;
                got += bytes.len() as u64;
                out.write_all(&bytes)?;
                told(got, len);
            }
            if got == len { Ok(len) } else { Err(Error::Size { expected: len, got }) }
        })
    }
}
