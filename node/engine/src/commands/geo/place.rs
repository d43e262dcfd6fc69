//! GEOADD, GEOPOS, GEODIST and GEOHASH.

use protocol::error::SYNTAX;
use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use super::{point, unit};
use crate::commands::zsets::add;
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::Ctx;
use crate::geo::{Cell, Point, distance, geohash};
use crate::types::LiveZset;

fn geoadd(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut options = add::Options::default();
    let mut first = 2;
    while let Some(word) = args.get(first) {
        match word {
            word if is(word, "NX") => options.only.absent = true,
            word if is(word, "XX") => options.present = true,
            word if is(word, "CH") => options.changed = true,
            _ => break,
        }
        first += 1;
    }
    let places = args.rest(first);
    if places.is_empty() || !places.len().is_multiple_of(3) || (options.only.absent && options.present) {
        return Err(SYNTAX);
    }
    // All places are read before anything is changed.
    let mut scores = SmallVec::<[f64; 8]>::new();
    for i in (0..places.len()).step_by(3) {
        scores.push(Cell::score_of(point(&places[i], &places[i + 1])?));
    }
    let members = places.iter().skip(2).step_by(3);
    add::add(ctx, &args[1], scores.into_iter().zip(members), &options, out)
}

fn place_of(zset: Option<LiveZset<'_>>, member: &[u8]) -> Option<Point> {
    zset?.score(member).map(Cell::place_of)
}

fn geopos(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let zset = ctx.read_zset(&args[1])?;
    let members = args.rest(2);
    out.array(members.len());
    for member in members.iter() {
        match place_of(zset, member) {
            Some(place) => coordinates(out, place),
            None => out.null_array(),
        }
    }
    DONE
}

/// Writes a place.
pub fn coordinates(out: &mut Reply, place: Point) {
    out.array(2);
    out.double_human(place.lon);
    out.double_human(place.lat);
}

fn geodist(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let metres = match args.len() {
        4 => 1.0,
        5 => unit(&args[4])?,
        _ => return Err(SYNTAX),
    };
    let zset = ctx.read_zset(&args[1])?;
    match place_of(zset, &args[2]).zip(place_of(zset, &args[3])) {
        Some((a, b)) => four_decimals(out, distance(a, b) / metres),
        None => out.null(),
    }
    DONE
}

/// Writes a distance: text in RESP3 too.
pub fn four_decimals(out: &mut Reply, distance: f64) {
    out.bulk_str(&format!("{distance:.4}"));
}

fn geohashes(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let zset = ctx.read_zset(&args[1])?;
    let members = args.rest(2);
    out.array(members.len());
    for member in members.iter() {
        match place_of(zset, member) {
            Some(place) => out.bulk(&geohash(place)),
            None => out.null(),
        }
    }
    DONE
}

pub const ROWS: &[Row] =
    &[row("GEOADD", geoadd), row("GEOPOS", geopos), row("GEODIST", geodist), row("GEOHASH", geohashes)];
