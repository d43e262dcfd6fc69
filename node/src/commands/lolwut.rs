//! LOLWUT: a picture, and the version.

use protocol::{ErrorReply, error, number};

use super::{NodeRow, row};
use crate::dispatch::{Call, Next};

const WIDTH: u64 = 48;
const HEIGHT: u64 = 6;

/// `LOLWUT [VERSION n ...]`. Whatever the version, the picture is this server's own: drops on a pond.
fn lolwut(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if let (Some(word), Some(version)) = (call.args.get(1), call.args.get(2))
        && word.eq_ignore_ascii_case(b"version")
    {
        number::parse_i64(version).ok_or(error::NOT_INTEGER)?;
    }
    let env = &call.ctx.env;
    let drops = [0; 3].map(|_| (env.random_below(WIDTH) as f64, env.random_below(HEIGHT) as f64));
    let text = pond(&drops) + &format!("\nRedis ver. {}\n", crate::REDIS_VERSION);
    call.out.verbatim("txt", text.as_bytes());
    Ok(Next::Done)
}

/// Rings around each drop, where they meet higher or not at all.
fn pond(drops: &[(f64, f64)]) -> String {
    const HEIGHTS: [char; 5] = [' ', '.', '~', 'o', 'O'];
    let mut text = String::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            // A character is about twice as high as it is wide.
            let ring = |(dx, dy): &(f64, f64)| (x as f64 - dx).hypot(2.0 * (y as f64 - dy)).cos();
            let level = drops.iter().map(ring).sum::<f64>() / drops.len() as f64;
            text.push(HEIGHTS[((level + 1.0) / 2.0 * 4.999) as usize]);
        }
        text.push('\n');
    }
    text
}

pub const ROWS: &[NodeRow] = &[row("LOLWUT", lolwut)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_the_pond_has_a_height() {
        let text = pond(&[(0.0, 0.0), (47.0, 5.0), (13.0, 2.0)]);
        assert_eq!(text.lines().count(), HEIGHT as usize);
        assert!(text.lines().all(|line| line.chars().count() == WIDTH as usize));
    }
}
