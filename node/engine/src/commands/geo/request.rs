//! What a search is asked. GEOSEARCH says everything with words; GEORADIUS and GEORADIUSBYMEMBER have centre and radius at
//! fixed places and may store what they find.

use protocol::error::{
    GEO_ANY, GEO_BOX_NEGATIVE, GEO_COUNT, GEO_HEIGHT, GEO_MEMBER, GEO_RADIUS, GEO_RADIUS_NEGATIVE, GEO_WIDTH,
    SYNTAX,
};
use protocol::{Args, ErrorReply, number};

use super::{point, unit};
use crate::command::absent;
use crate::commands::{int, is};
use crate::geo::{Cell, Point, Shape};
use crate::types::LiveZset;

#[derive(Clone, Copy, PartialEq)]
pub enum Order {
    /// As the places come.
    Any,
    Nearest,
    Farthest,
}

/// A search.
pub struct Request<'a> {
    pub centre: Option<Point>,
    pub shape: Option<Shape>,
    /// Metres of the unit in which distances are shown.
    pub unit: f64,
    pub order: Order,
    /// 0: all.
    pub count: usize,
    /// The first `count` that are found will do.
    pub any: bool,
    pub with_distance: bool,
    pub with_score: bool,
    pub with_place: bool,
    /// Where to store what is found.
    pub target: Option<&'a [u8]>,
    /// Store distances, not places.
    pub store_distance: bool,
}

/// Which words an option loop understands.
#[derive(Clone, Copy, PartialEq)]
pub enum Grammar {
    /// GEOSEARCH and GEOSEARCHSTORE.
    Search,
    /// GEORADIUS and GEORADIUSBYMEMBER.
    Radius,
    /// The same, but read-only.
    RadiusReadOnly,
}

impl<'a> Request<'a> {
    pub fn new(target: Option<&'a [u8]>) -> Request<'a> {
        Request {
            centre: None,
            shape: None,
            unit: 1.0,
            order: Order::Any,
            count: 0,
            any: false,
            with_distance: false,
            with_score: false,
            with_place: false,
            target,
            store_distance: false,
        }
    }

    /// `radius unit`.
    pub fn take_radius(&mut self, radius: &[u8], unit_name: &[u8]) -> Result<(), ErrorReply> {
        let radius = number::parse_f64(radius).ok_or(GEO_RADIUS)?;
        if radius < 0.0 {
            return Err(GEO_RADIUS_NEGATIVE);
        }
        self.unit = unit(unit_name)?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit });
        Ok(())
    }

    /// `width height unit`.
    fn take_box(&mut self, width: &[u8], height: &[u8], unit_name: &[u8]) -> Result<(), ErrorReply> {
        let width = number::parse_f64(width).ok_or(GEO_WIDTH)?;
        let height = number::parse_f64(height).ok_or(GEO_HEIGHT)?;
        if width < 0.0 || height < 0.0 {
            return Err(GEO_BOX_NEGATIVE);
        }
        self.unit = unit(unit_name)?;
        self.shape = Some(Shape::Box { width: width * self.unit, height: height * self.unit });
        Ok(())
    }

    /// Centres the search on a member. Nothing is found in a key that is not there, so its members may be any.
    pub fn take_member(&mut self, zset: Option<LiveZset<'_>>, member: &[u8]) -> Result<(), ErrorReply> {
        if let Some(zset) = zset {
            self.centre = Some(Cell::place_of(zset.score(member).ok_or(GEO_MEMBER)?));
        }
        Ok(())
    }

    /// Reads the options.
    pub fn options(
        &mut self,
        zset: Option<LiveZset<'_>>,
        args: Args<'a>,
        grammar: Grammar,
    ) -> Result<Options, ErrorReply> {
        let mut seen = Options::default();
        let mut rest = args;
        while let Some(word) = rest.get(0) {
            let after = rest.rest(1);
            let taken = match self.common_option(word, after)? {
                Some(taken) => taken,
                None if grammar == Grammar::Search => self.search_option(word, after, zset, &mut seen)?,
                None if grammar == Grammar::Radius => self.store_option(word, after)?,
                None => return Err(SYNTAX),
            };
            rest = rest.rest(1 + taken);
        }
        Ok(seen)
    }

    /// Takes an option that all searches have; returns how many of the words after it belong to it.
    fn common_option(&mut self, word: &[u8], after: Args<'_>) -> Result<Option<usize>, ErrorReply> {
        match word {
            word if is(word, "WITHDIST") => self.with_distance = true,
            word if is(word, "WITHHASH") => self.with_score = true,
            word if is(word, "WITHCOORD") => self.with_place = true,
            word if is(word, "ANY") => self.any = true,
            word if is(word, "ASC") => self.order = Order::Nearest,
            word if is(word, "DESC") => self.order = Order::Farthest,
            word if is(word, "COUNT") && !after.is_empty() => {
                let count = int(&after[0])?;
                self.count = usize::try_from(count).ok().filter(|n| *n > 0).ok_or(GEO_COUNT)?;
                return Ok(Some(1));
            }
            _ => return Ok(None),
        }
        Ok(Some(0))
    }

    fn store_option(&mut self, word: &[u8], after: Args<'a>) -> Result<usize, ErrorReply> {
        self.store_distance = is(word, "STOREDIST");
        if !self.store_distance && !is(word, "STORE") {
            return Err(SYNTAX);
        }
        self.target = Some(after.get(0).ok_or(SYNTAX)?);
        Ok(1)
    }

    fn search_option(
        &mut self,
        word: &[u8],
        after: Args<'_>,
        zset: Option<LiveZset<'_>>,
        seen: &mut Options,
    ) -> Result<usize, ErrorReply> {
        let left = after.len();
        if is(word, "FROMMEMBER") && left >= 1 && !seen.from_place {
            self.take_member(zset, &after[0])?;
            seen.from_member = true;
            Ok(1)
        } else if is(word, "FROMLONLAT") && left >= 2 && !seen.from_member {
            self.centre = Some(point(&after[0], &after[1])?);
            seen.from_place = true;
            Ok(2)
        } else if is(word, "BYRADIUS") && left >= 2 && !seen.by_box {
            self.take_radius(&after[0], &after[1])?;
            seen.by_radius = true;
            Ok(2)
        } else if is(word, "BYBOX") && left >= 3 && !seen.by_radius {
            self.take_box(&after[0], &after[1], &after[2])?;
            seen.by_box = true;
            Ok(3)
        } else if is(word, "STOREDIST") && self.target.is_some() {
            self.store_distance = true;
            Ok(0)
        } else {
            let command = if self.target.is_some() { "GEOSEARCHSTORE" } else { "GEOSEARCH" };
            Err(absent::option(command, word).unwrap_or(SYNTAX))
        }
    }

    /// What is stored is not shown; `store` is what says so.
    pub fn refuse_details(&self, store: &str) -> Result<(), ErrorReply> {
        if self.target.is_some() && (self.with_distance || self.with_score || self.with_place) {
            return Err(ErrorReply::store_with_details(store));
        }
        Ok(())
    }

    /// The last check, and what follows from all options: a limited search wants the nearest, unless any will do.
    pub fn finish(&mut self) -> Result<(), ErrorReply> {
        if self.any && self.count == 0 {
            return Err(GEO_ANY);
        }
        if self.count > 0 && self.order == Order::Any && !self.any {
            self.order = Order::Nearest;
        }
        Ok(())
    }
}

/// Which of the words that say where to search there were.
#[derive(Default)]
pub struct Options {
    from_member: bool,
    from_place: bool,
    by_radius: bool,
    by_box: bool,
}

impl Options {
    /// Checks that there is a centre and a shape.
    pub fn check(&self, command: &[u8]) -> Result<(), ErrorReply> {
        if !self.from_member && !self.from_place {
            return Err(ErrorReply::one_centre(command));
        }
        if !self.by_radius && !self.by_box {
            return Err(ErrorReply::one_shape(command));
        }
        Ok(())
    }
}
