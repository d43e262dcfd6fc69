//! A file goes to the storage, in parts.

use std::fs::File;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};

use crate::{Error, PART, PARTS, Store};

/// Parts that an object may have, with some to spare.
const PARTS_MAX: u64 = 9_000;

impl Store {
    /// Puts all of a file under a key, which shows it in full or as it was before. `told` hears how many bytes are on
    /// their way, and ends the upload by returning false.
    pub fn put(&self, key: &str, file: &File, told: &mut dyn FnMut(u64) -> bool) -> Result<u64, Error> {
        self.put_parts(key, file, PART, told)
    }

    pub(crate) fn put_parts(
        &self,
        key: &str,
        file: &File,
        least: u64,
        told: &mut dyn FnMut(u64) -> bool,
    ) -> Result<u64, Error> {
        let len = file.metadata()?.len();
        let part = least.max(len.div_ceil(PARTS_MAX));
        let path = Path::parse(key)?;
        self.run(async {
            if len <= part {
                self.inner.put(&path, read(file, 0, len)?.into()).await?;
                told(len);
            } else {
                self.put_large(&path, file, len, part, told).await?;
            }
            let there = self.inner.head(&path).await?.size;
            if there == len { Ok(len) } else { Err(Error::Size { expected: len, got: there }) }
        })
    }

    async fn put_large(
        &self,
        path: &Path,
        file: &File,
        len: u64,
        part: u64,
        told: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), Error> {
        let upload = self.inner.put_multipart(path).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, part as usize);
        let mut at = 0;
        let sent: Result<(), Error> = loop {
            if at == len {
                break Ok(());
            }
            if let Err(e) = writer.wait_for_capacity(PARTS).await {
                break Err(e.into());
            }
            match read(file, at, part.min(len - at)) {
                Ok(bytes) => {
                    at += bytes.len() as u64;
                    writer.put(bytes);
                }
                Err(e) => break Err(e),
            }
            if !told(at) {
                break Err(Error::Io(std::io::Error::other("the upload is no longer wanted")));
            }
        };
        match sent {
            Ok(()) => Ok(writer.finish().await.map(|_| ())?),
            Err(e) => {
                // What has been sent would be paid for, and never be used.
                let _ = writer.abort().await;
                Err(e)
            }
        }
    }
}

fn read(file: &File, at: u64, len: u64) -> Result<Bytes, Error> {
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes.into())
}
