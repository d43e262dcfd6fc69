//! Log lines in Redis's format: `pid:role time level message`.

use std::fmt;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut w: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mark = match *event.metadata().level() {
            Level::ERROR | Level::WARN => '#',
            Level::INFO => '*',
            Level::DEBUG => '-',
            Level::TRACE => '.',
        };
        write!(w, "{}:M {} {mark} ", std::process::id(), Stamp::now())?;
        ctx.field_format().format_fields(w.by_ref(), event)?;
        writeln!(w)
    }
}

/// A time of day in UTC: `21 Nov 2026 07:00:00.123`.
struct Stamp {
    ms: u64,
}

impl Stamp {
    fn now() -> Stamp {
        Stamp { ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64) }
    }
}

/// Year, month (from 1) and day of a number of days since 1970: Howard Hinnant's civil calendar.
fn civil(days: i64) -> (i64, usize, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day = z.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let m = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(m <= 2), m as usize, of_year - (153 * month + 2) / 5 + 1)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.ms / 1000;
        let (year, month, day) = civil((seconds / 86_400) as i64);
        let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{day:02} {} {year} {h:02}:{m:02}:{s:02}.{:03}", MONTHS[month - 1], self.ms % 1000)
    }
}

/// Where lines go: a file, or standard output.
struct Sink(Option<std::fs::File>);

impl Sink {
    fn open(path: &str) -> std::io::Result<Sink> {
        if path.is_empty() {
            return Ok(Sink(None));
        }
        Ok(Sink(Some(OpenOptions::new().create(true).append(true).open(path)?)))
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Box<dyn std::io::Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        match &self.0 {
            Some(file) => Box::new(file),
            None => Box::new(std::io::stdout()),
        }
    }
}

/// The least level that is logged, by `loglevel`'s word.
pub fn level(word: &str) -> tracing::level_filters::LevelFilter {
    use tracing::level_filters::LevelFilter;
    match word {
        "debug" => LevelFilter::TRACE,
        "verbose" => LevelFilter::DEBUG,
        "warning" => LevelFilter::WARN,
        "nothing" => LevelFilter::OFF,
        _ => LevelFilter::INFO,
    }
}

type Reload =
    tracing_subscriber::reload::Handle<tracing::level_filters::LevelFilter, tracing_subscriber::Registry>;

static RELOAD: std::sync::OnceLock<Reload> = std::sync::OnceLock::new();

/// The descriptor of the log.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(1);

/// Where to write what must be in the log whatever happens, unformatted.
pub fn descriptor() -> i32 {
    DESCRIPTOR.load(Relaxed)
}

/// Starts logging to `file` (empty: standard output).
pub fn start(word: &str, file: &str) -> std::io::Result<()> {
    let sink = Sink::open(file)?;
    DESCRIPTOR.store(sink.0.as_ref().map_or(1, AsRawFd::as_raw_fd), Relaxed);
    let (filter, handle) = tracing_subscriber::reload::Layer::new(level(word));
    let lines = tracing_subscriber::fmt::layer().event_format(Lines).with_writer(sink);
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    let _ = RELOAD.set(handle);
    Ok(())
}

/// Changes the level while running.
pub fn set_level(word: &str) {
    if let Some(handle) = RELOAD.get() {
        let _ = handle.reload(level(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(Stamp { ms: 0 }.to_string(), "01 Jan 1970 00:00:00.000");
        assert_eq!(Stamp { ms: 1_709_210_096_789 }.to_string(), "29 Feb 2024 12:34:56.789");
    }
}
