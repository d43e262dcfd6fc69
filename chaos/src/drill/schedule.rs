//! What happens to the mesh, and when: acts, each at a fraction of the drill's time.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use super::Options;
use super::fleet::Fleet;
use super::history::Shared;

/// Before clients stop, nothing is written any more that expires soon.
const CALM: Duration = Duration::from_millis(3_500);
/// The node that is killed. The last one has the wrong clock and is cut off; the first and this one lose sight of each other.
const VICTIM: usize = 1;

/// A node that was killed.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    pub node: usize,
    pub at_ms: u64,
    /// Until it took writes again.
    pub away_ms: u64,
}

struct Play<'a> {
    fleet: &'a Fleet,
    shared: &'a Shared,
    options: &'a Options,
    crash: Option<Crash>,
}

type Act<'a> = fn(&mut Play<'a>);

/// Plays all acts, and returns when the time is over. The network is left as it is then: two nodes do not hear each other.
pub fn play(options: &Options, fleet: &Fleet, shared: &Shared) -> Option<Crash> {
    let mut play = Play { fleet, shared, options, crash: None };
    let acts: [(f64, Act<'_>); 8] = [
        (0.0, Play::begin),
        (0.10, Play::cut_off),
        (0.28, Play::heal),
        (0.38, Play::kill),
        (0.46, Play::restart),
        (0.60, Play::slow),
        (0.70, Play::silence),
        (1.0, |_| {}),
    ];
    let whole = Duration::from_secs(options.seconds);
    for (at, act) in acts {
        play.sleep_until(whole.mul_f64(at), whole);
        act(&mut play);
    }
    play.crash
}

impl Play<'_> {
    fn sleep_until(&self, at: Duration, whole: Duration) {
        let until = self.shared.began + at;
        while Instant::now() < until {
            std::thread::sleep(
                Duration::from_millis(10).min(until.saturating_duration_since(Instant::now())),
            );
            if self.shared.began.elapsed() + CALM > whole {
                self.shared.calm.store(true, SeqCst);
            }
        }
    }

    fn say(&self, text: &str) {
        let (ms, writes) = (self.shared.now_ms(), self.shared.acknowledged.load(Relaxed));
        println!("{:>6.1} s  {text}   ({writes} requests acknowledged)", ms as f64 / 1000.0);
    }

    fn last(&self) -> usize {
        self.fleet.len() - 1
    }

    fn begin(&mut self) {
        self.fleet.all().for_each(|way| way.delay(Duration::from_millis(3)));
        self.say("clients write to all nodes; connections take up to 3 ms");
        if self.options.skew_ms != 0 {
            self.say(&format!("node {}'s clock is {} ms ahead", self.last(), self.options.skew_ms));
        }
    }

    fn cut_off(&mut self) {
        self.fleet.around(self.last()).for_each(|way| way.cut());
        self.say(&format!("node {} is cut off", self.last()));
    }

    fn heal(&mut self) {
        self.fleet.all().for_each(|way| way.heal());
        self.say("the cut is healed");
        self.fleet.set_clock(-self.options.skew_ms);
        if self.options.skew_ms != 0 {
            let (last, skew) = (self.last(), self.options.skew_ms);
            self.say(&format!("node {last}'s clock is set: {skew} ms behind from now on"));
        }
    }

    fn kill(&mut self) {
        if self.options.no_kill {
            return;
        }
        self.fleet.kill(VICTIM);
        self.crash = Some(Crash { node: VICTIM, at_ms: self.shared.now_ms(), away_ms: 0 });
        self.say(&format!("node {VICTIM} is killed"));
    }

    fn restart(&mut self) {
        let Some(mut crash) = self.crash else { return };
        self.fleet.start_again(VICTIM);
        self.say(&format!("node {VICTIM} is started again"));
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) && !self.takes_writes(VICTIM) {
            std::thread::sleep(Duration::from_millis(10));
        }
        crash.away_ms = self.shared.now_ms() - crash.at_ms;
        self.crash = Some(crash);
        self.say(&format!("node {VICTIM} takes writes"));
    }

    fn takes_writes(&self, node: usize) -> bool {
        let reply = self.fleet.client(node).and_then(|mut client| client.cmd("SET drill 1").ok());
        reply.is_some_and(|reply| !reply.is_error())
    }

    fn slow(&mut self) {
        self.fleet.all().for_each(|way| way.delay(Duration::from_millis(60)));
        self.fleet.between(0, self.last()).for_each(|way| way.throttle(300_000));
        self.say(&format!("connections take up to 60 ms; 300 kB/s between nodes 0 and {}", self.last()));
    }

    fn silence(&mut self) {
        self.fleet.between(0, self.last()).for_each(|way| way.throttle(0));
        self.fleet.all().for_each(|way| way.delay(Duration::from_millis(5)));
        self.fleet.between(0, VICTIM).for_each(|way| way.silence());
        self.say(&format!("silence between nodes 0 and {VICTIM}: others pass on what they write"));
    }
}
