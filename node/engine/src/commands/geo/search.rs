//! GEOSEARCH, GEORADIUS and their kin.

use std::cmp::Ordering;

use protocol::listpack::Entry;
use protocol::{Args, ErrorReply, Reply};

use super::place::{coordinates, four_decimals};
use super::point;
use super::request::{Grammar, Order, Request};
use crate::commands::zsets::algebra::store;
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::geo::{Cell, Point, cover};
use crate::types::LiveZset;
use crate::types::zset::Builder;

/// A place that was found.
struct Found<'a> {
    member: Entry<'a>,
    score: f64,
    place: Point,
    /// Metres.
    distance: f64,
}

/// All places within the shape, or the first `count` if any will do; in the order asked for.
fn search<'a>(zset: LiveZset<'a>, request: &Request<'_>) -> Vec<Found<'a>> {
    let (Some(centre), Some(shape)) = (request.centre, request.shape) else { return Vec::new() };
    let enough = if request.any { request.count } else { usize::MAX };
    let within = |(member, score): (Entry<'a>, f64)| {
        let place = Cell::place_of(score);
        let distance = shape.distance_to(centre, place)?;
        Some(Found { member, score, place, distance })
    };
    let cells = cover(centre, shape);
    let candidates = cells.iter().flat_map(|cell| zset.walk(zset.ranks_of_scores(&cell.scores()), false));
    let mut found: Vec<_> = candidates.filter_map(within).take(enough).collect();
    match request.order {
        Order::Any => {}
        Order::Nearest => keep_first(&mut found, request.count, |a, b| a.distance.total_cmp(&b.distance)),
        Order::Farthest => keep_first(&mut found, request.count, |a, b| b.distance.total_cmp(&a.distance)),
    }
    found
}

/// Sorts what is found and keeps the first `count`, or all if that is 0.
fn keep_first(found: &mut Vec<Found<'_>>, count: usize, order: impl Fn(&Found<'_>, &Found<'_>) -> Ordering) {
    if count > 0 && count < found.len() {
        found.select_nth_unstable_by(count, &order);
        found.truncate(count);
    }
    found.sort_by(order);
}

/// Searches; writes what is found, or hands it back to be stored.
fn answer(zset: Option<LiveZset<'_>>, request: &Request<'_>, out: &mut Reply) -> Option<Builder> {
    let found = zset.map_or_else(Vec::new, |zset| search(zset, request));
    if request.target.is_none() {
        write(out, &found, request);
        return None;
    }
    let score = |found: &Found<'_>| match request.store_distance {
        true => found.distance / request.unit,
        false => found.score,
    };
    let mut result = Builder::default();
    result.extend(found.iter().map(|found| (found.member, score(found))));
    Some(result)
}

/// Stores what [`answer`] handed back.
fn keep(
    ctx: &mut Ctx<'_>,
    target: Option<&[u8]>,
    result: Option<Builder>,
    event: &'static str,
    out: &mut Reply,
) {
    if let (Some(target), Some(result)) = (target, result) {
        out.int(store(ctx, target, result, event) as i64);
    }
}

fn write(out: &mut Reply, found: &[Found<'_>], request: &Request<'_>) {
    out.array(found.len());
    let details = [request.with_distance, request.with_score, request.with_place];
    let details = details.into_iter().filter(|with| *with).count();
    for found in found {
        if details > 0 {
            out.array(1 + details);
        }
        out.bulk_entry(found.member);
        if request.with_distance {
            four_decimals(out, found.distance / request.unit);
        }
        if request.with_score {
            out.int(found.score as i64);
        }
        if request.with_place {
            coordinates(out, found.place);
        }
    }
}

/// GEOSEARCH and GEOSEARCHSTORE: `key` and options.
fn by_words<'a>(
    ctx: &mut Ctx<'_>,
    command: &[u8],
    args: Args<'a>,
    target: Option<&'a [u8]>,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let zset = ctx.read_zset(&args[0])?;
    let mut request = Request::new(target);
    let seen = request.options(zset, args.rest(1), Grammar::Search)?;
    request.refuse_details("GEOSEARCHSTORE")?;
    seen.check(command)?;
    request.finish()?;
    let result = answer(zset, &request, out);
    keep(ctx, target, result, "geosearchstore", out);
    DONE
}

fn geosearch(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    by_words(ctx, &args[0], args.rest(1), None, out)
}

fn geosearchstore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    by_words(ctx, &args[0], args.rest(2), Some(args.at(1)), out)
}

/// `key longitude latitude radius unit` and options.
fn around_point(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    grammar: Grammar,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let zset = ctx.read_zset(&args[1])?;
    let mut request = Request::new(None);
    request.centre = Some(point(&args[2], &args[3])?);
    request.take_radius(&args[4], &args[5])?;
    request.options(zset, args.rest(6), grammar)?;
    let result = radius_answer(zset, &mut request, out)?;
    keep(ctx, request.target, result, "georadiusstore", out);
    DONE
}

/// `key member radius unit` and options.
fn around_member(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    grammar: Grammar,
    out: &mut Reply,
) -> Result<Flow, ErrorReply> {
    let zset = ctx.read_zset(&args[1])?;
    let mut request = Request::new(None);
    if zset.is_some() {
        request.take_member(zset, &args[2])?;
        request.take_radius(&args[3], &args[4])?;
    }
    request.options(zset, args.rest(5), grammar)?;
    let result = radius_answer(zset, &mut request, out)?;
    keep(ctx, request.target, result, "georadiusstore", out);
    DONE
}

fn radius_answer(
    zset: Option<LiveZset<'_>>,
    request: &mut Request<'_>,
    out: &mut Reply,
) -> Result<Option<Builder>, ErrorReply> {
    request.refuse_details("STORE option in GEORADIUS")?;
    request.finish()?;
    Ok(answer(zset, request, out))
}

fn georadius(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    around_point(ctx, args, Grammar::Radius, out)
}

fn georadius_ro(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    around_point(ctx, args, Grammar::RadiusReadOnly, out)
}

fn georadiusbymember(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    around_member(ctx, args, Grammar::Radius, out)
}

fn georadiusbymember_ro(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    around_member(ctx, args, Grammar::RadiusReadOnly, out)
}

pub const ROWS: &[Row] = &[
    row("GEOSEARCH", geosearch),
    row("GEOSEARCHSTORE", geosearchstore),
    row("GEORADIUS", georadius),
    row("GEORADIUS_RO", georadius_ro),
    row("GEORADIUSBYMEMBER", georadiusbymember),
    row("GEORADIUSBYMEMBER_RO", georadiusbymember_ro),
];
