//! The storage: where it is, and who we are to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use tokio::runtime::{Builder, Runtime};

use crate::{Address, Error};

/// How long a request that fails is tried again.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Tries after the first.
const TRIES: usize = 10;
/// How long one try may take: of a part, on a slow line.
const REQUEST: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(5);

/// What the configuration says; an empty text leaves it to the environment (`AWS_ENDPOINT_URL`, `AWS_REGION`,
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, or the role of the machine).
#[derive(Clone, Default)]
pub struct Settings {
    pub endpoint: String,
    pub region: String,
    pub access_key: String,
    pub secret_key: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({}, {})", self.endpoint, self.region)
    }
}

/// A bucket, as one thread at a time uses it.
pub struct Store {
    pub(crate) inner: Arc<dyn ObjectStore>,
    runtime: Runtime,
}

impl Store {
    /// Opens an address's bucket. Nothing is sent yet.
    pub fn open(address: &Address, settings: &Settings) -> Result<Store, Error> {
        // The one that everything here uses; it may have been chosen before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&address.bucket)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_retry(RetryConfig {
                max_retries: TRIES,
                retry_timeout: PATIENCE,
                ..RetryConfig::default()
            });
        let environment = |name: &str| std::env::var(name).unwrap_or_default();
        let first = |texts: [String; 3]| texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let own = settings.endpoint.clone();
        let endpoint = first([own, environment("AWS_ENDPOINT_URL_S3"), environment("AWS_ENDPOINT_URL")]);
        let plain = endpoint.starts_with("http://");
        if !endpoint.is_empty() {
            builder = builder.with_endpoint(endpoint);
        }
        if !settings.region.is_empty() {
            builder = builder.with_region(&settings.region);
        }
        if !settings.access_key.is_empty() {
            builder =
                builder.with_access_key_id(&settings.access_key).with_secret_access_key(&settings.secret_key);
        }
        let options =
            ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECT).with_allow_http(plain);
        Store::of(Arc::new(builder.with_client_options(options).build()?))
    }

    pub(crate) fn of(inner: Arc<dyn ObjectStore>) -> Result<Store, Error> {
        Ok(Store { inner, runtime: Builder::new_current_thread().enable_all().build()? })
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}
