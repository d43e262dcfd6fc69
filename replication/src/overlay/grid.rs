//! Additions of fractions that are shifts: where their order does not matter although each rounds.
//!
//! A sum of long doubles is rounded, printed with 17 decimals and read again, so in general the order of additions shows in
//! the last digits, and of a late one all that follow must be carried out again. But as long as a number stays on one
//! *grid*, an addition moves it by so many steps of the grid, wherever on it it is: then many additions are one move, as
//! long as none of them, in their order, leaves the grid. There are four grids, and `u` is the step of each:
//!
//! - *Whole*: integers, far from where they end.
//! - *Exact*: multiples of 2^-17 that are so small that sums of them have all their bits, and all their decimals are
//!   printed. Nothing is rounded at all.
//! - *Decimal*: texts of up to 17 decimals below 64, `u` = 10^-17. What is added is below 32. Each of the three roundings (of
//!   the number as it is read, of what is added, of the sum) is off by at most 2^-59, 2^-60 and 2^-59, that is by less than
//!   `u`/2 together: the printed sum is the true one.
//! - *Binary*: numbers between two powers of two, `u` the value of a mantissa's last bit. What is added is rounded to
//!   multiples of `u`, and only if it is exactly between two does it matter where the number is: then the sum must be even.
//!   Above 128 `u` is more than 10^-17, so the printed number is read as what it was. Scores are never printed.
//!
//! Between 64 and 128 printing is coarser than the mantissa, and only what is exact is a shift there.

/// What a command computes with: `mantissa * 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    pub negative: bool,
    pub mantissa: u64,
    pub exponent: i32,
}

/// Bits behind the point on the exact grid.
const FRACTION: i32 = 17;
/// What is on the exact grid is below this, in steps: a sum of two fits into a mantissa.
const EXACT_END: i128 = 1 << 63;
const EXACT_END_OF_SCORES: i128 = 1 << 52;
const WHOLE_END: i128 = 1 << 61;
/// Of the decimal grid: 10^-17 64 times over, and what is added at most.
const UNIT: i128 = 10i128.pow(17);
const DECIMAL_END: i128 = 64 * UNIT;
const DECIMAL_STEP_END: i128 = 32 * UNIT;
/// No step on a binary grid is longer without leaving it.
const STEP_BITS: u32 = 66;

impl Number {
    /// A score. `None` if it is no number.
    pub fn of_score(score: f64) -> Option<Number> {
        let bits = score.to_bits();
        let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i32);
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        score.is_finite().then_some(Number {
            negative: score.is_sign_negative(),
            mantissa,
            exponent: exponent.max(1) - 1023 - 52,
        })
    }

    fn signed(self, size: i128) -> i128 {
        if self.negative { -size } else { size }
    }

    /// In multiples of `2^unit`, rounded down, and what is left of it against half a unit. `None`: too many.
    fn in_units(self, unit: i32) -> Option<(i128, std::cmp::Ordering, bool)> {
        use std::cmp::Ordering::Less;
        let size = i128::from(self.mantissa);
        let drop = unit - self.exponent;
        if drop <= 0 {
            let bits = 64 - self.mantissa.leading_zeros() + drop.unsigned_abs();
            return (bits <= STEP_BITS || size == 0).then(|| {
                let up = if size == 0 { 0 } else { drop.unsigned_abs() };
                (size << up, Less, true)
            });
        }
        if drop > 64 {
            return Some((0, Less, size == 0));
        }
        let (rest, half) = (size & ((1 << drop) - 1), 1 << (drop - 1));
        Some((size >> drop, rest.cmp(&half), rest == 0))
    }
}

/// See the [module's page](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grid {
    Whole,
    Exact {
        end: i128,
    },
    Decimal,
    /// The step is `2^unit`; `bits` is the size of a mantissa.
    Binary {
        unit: i32,
        bits: u32,
        negative: bool,
    },
}

/// Where on a grid a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub grid: Grid,
    pub at: i128,
}

/// What an addition adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delta {
    /// To an integer.
    Whole(i64),
    /// To a long double: what is read, and as a multiple of 10^-17.
    Text(Number, Option<i64>),
    /// To a double.
    Score(Number),
    /// It is no addition, or of no number.
    Other,
}

/// How far an addition moves a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    By(i128),
    /// By this or one more: the sum is even.
    Even(i128),
}

impl Grid {
    /// Where the grid ends on both sides.
    fn ends(self) -> (i128, i128) {
        match self {
            Grid::Whole => (-WHOLE_END, WHOLE_END),
            Grid::Exact { end } => (-end, end),
            Grid::Decimal => (-DECIMAL_END, DECIMAL_END),
            Grid::Binary { bits, negative: false, .. } => (1 << (bits - 1), 1 << bits),
            Grid::Binary { bits, negative: true, .. } => (-(1 << bits), -(1 << (bits - 1))),
        }
    }

    /// Grids of one class are used for one another's numbers, in turn.
    pub fn class(self) -> usize {
        match self {
            Grid::Whole | Grid::Exact { .. } => 0,
            Grid::Decimal => 1,
            Grid::Binary { .. } => 2,
        }
    }

    pub fn step(self, delta: &Delta) -> Option<Step> {
        let number = match (self, delta) {
            (Grid::Whole, Delta::Whole(n)) => return Some(Step::By(i128::from(*n))),
            (Grid::Decimal, Delta::Text(_, decimal)) => {
                let by = decimal.map(i128::from).filter(|by| by.abs() < DECIMAL_STEP_END);
                return by.map(Step::By);
            }
            (Grid::Exact { .. } | Grid::Binary { .. }, Delta::Text(number, _) | Delta::Score(number)) => {
                number
            }
            _ => return None,
        };
        match self {
            Grid::Exact { .. } => {
                let (size, _, exact) = number.in_units(-FRACTION)?;
                exact.then(|| Step::By(number.signed(size)))
            }
            Grid::Binary { unit, .. } => {
                let (down, rest, _) = number.in_units(unit)?;
                Some(match rest {
                    std::cmp::Ordering::Less => Step::By(number.signed(down)),
                    std::cmp::Ordering::Greater => Step::By(number.signed(down + 1)),
                    std::cmp::Ordering::Equal if number.negative => Step::Even(-down - 1),
                    std::cmp::Ordering::Equal => Step::Even(down),
                })
            }
            _ => None,
        }
    }
}

impl Step {
    /// From a place whose parity counts.
    pub fn from(self, at: i128) -> i128 {
        match self {
            Step::By(by) => at + by,
            Step::Even(by) => at + by + ((at + by) & 1),
        }
    }
}

impl Spot {
    pub fn whole(n: i64) -> Option<Spot> {
        Spot { grid: Grid::Whole, at: i128::from(n) }.checked()
    }

    /// Where a long double is on each class of grids.
    pub fn of_text(number: Number, text: &[u8]) -> [Option<Spot>; 3] {
        let decimal = decimal(text).map(|n| Spot { grid: Grid::Decimal, at: i128::from(n) });
        let binary = Spot::binary(number, 64).filter(|spot| match spot.grid {
            Grid::Binary { unit, .. } => (7 - 63..=62 - 63).contains(&unit),
            _ => false,
        });
        Spot::of(number, EXACT_END, decimal, binary)
    }

    pub fn of_score(number: Number) -> [Option<Spot>; 3] {
        let binary = Spot::binary(number, 53).filter(|spot| match spot.grid {
            Grid::Binary { unit, .. } => (-1_000..900).contains(&unit),
            _ => false,
        });
        Spot::of(number, EXACT_END_OF_SCORES, None, binary)
    }

    fn of(number: Number, end: i128, decimal: Option<Spot>, binary: Option<Spot>) -> [Option<Spot>; 3] {
        if number.mantissa == 0 && number.negative {
            // Zeros of both signs are not one place.
            return [None; 3];
        }
        let exact = number.in_units(-FRACTION).filter(|(.., exact)| *exact);
        let exact = exact.map(|(size, ..)| Spot { grid: Grid::Exact { end }, at: number.signed(size) });
        [exact, decimal, binary].map(|spot| spot.and_then(Spot::checked))
    }

    fn binary(number: Number, bits: u32) -> Option<Spot> {
        if number.mantissa == 0 {
            return None;
        }
        let zeros = number.mantissa.leading_zeros();
        let mantissa = number.mantissa << zeros >> (64 - bits);
        // A score has no more bits than fit.
        let unit = number.exponent - zeros as i32 + (64 - bits) as i32;
        let grid = Grid::Binary { unit, bits, negative: number.negative };
        Some(Spot { grid, at: number.signed(i128::from(mantissa)) })
    }

    /// If it is on its grid.
    fn checked(self) -> Option<Spot> {
        let (low, high) = self.grid.ends();
        let begins = matches!(self.grid, Grid::Binary { bits, .. } if self.at.abs() == 1 << (bits - 1));
        (low < self.at && self.at < high || begins).then_some(self)
    }

    /// After an addition. `None`: that is no move on the grid.
    pub fn after(self, delta: &Delta) -> Option<Spot> {
        let at = self.grid.step(delta)?.from(self.at);
        let (low, high) = self.grid.ends();
        (low < at && at < high).then_some(Spot { at, ..self })
    }

    /// The number, unless it is on the decimal grid.
    pub fn number(self) -> Number {
        let exponent = match self.grid {
            Grid::Whole | Grid::Decimal => 0,
            Grid::Exact { .. } => -FRACTION,
            Grid::Binary { unit, .. } => unit,
        };
        Number { negative: self.at < 0, mantissa: self.at.unsigned_abs() as u64, exponent }
    }

    /// The score here.
    pub fn score(self) -> f64 {
        let Number { negative, mantissa, exponent } = self.number();
        // Both factors are exact, and so is the product.
        let size = mantissa as f64 * 2f64.powi(exponent);
        if negative { -size } else { size }
    }
}

/// Many additions one after the other as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    grid: Grid,
    /// The parity of the place where it begins, if that counts.
    odd: Option<bool>,
    /// How far it goes, and how far at least and at most on the way. `None`: not all of them are moves.
    way: Option<(i128, i128, i128)>,
}

impl Sum {
    pub fn of<'d>(spot: Spot, deltas: impl Iterator<Item = &'d Delta>) -> Sum {
        let begin = spot.at & 1;
        let (mut at, mut least, mut most, mut odd) = (begin, i128::MAX, i128::MIN, None);
        for delta in deltas {
            let Some(step) = spot.grid.step(delta) else {
                return Sum { grid: spot.grid, odd: None, way: None };
            };
            if matches!(step, Step::Even(_)) {
                odd = Some(begin == 1);
            }
            at = step.from(at);
            (least, most) = (least.min(at), most.max(at));
        }
        Sum { grid: spot.grid, odd, way: Some((at - begin, least - begin, most - begin)) }
    }

    /// Whether it tells what follows from a place.
    pub fn fits(&self, spot: Spot) -> bool {
        self.grid == spot.grid && self.odd.is_none_or(|odd| odd == (spot.at & 1 == 1))
    }

    /// Where it leads. `None`: off the grid.
    pub fn from(&self, spot: Spot) -> Option<Spot> {
        let (by, least, most) = self.way?;
        let (low, high) = spot.grid.ends();
        (low < spot.at + least && spot.at + most < high).then_some(Spot { at: spot.at + by, ..spot })
    }
}

/// A text as a multiple of 10^-17, if it is a plain decimal and one, and not too large.
pub(super) fn decimal(text: &[u8]) -> Option<i64> {
    let (negative, body) = match text {
        [b'-', body @ ..] => (true, body),
        body => (false, body),
    };
    let point = body.iter().position(|byte| *byte == b'.').unwrap_or(body.len());
    let (whole, part) = (&body[..point], body.get(point + 1..).unwrap_or_default());
    if whole.is_empty() || whole.len() > 2 || part.len() > 17 {
        return None;
    }
    let mut n = 0i64;
    for byte in whole.iter().chain(part) {
        n = n.checked_mul(10)?.checked_add(i64::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?))?;
    }
    let n = n.checked_mul(10i64.pow(17 - part.len() as u32))?;
    Some(if negative { -n } else { n })
}

/// A multiple of 10^-17 as commands write it.
pub(super) fn decimal_text(n: i128) -> Vec<u8> {
    let sign = if n < 0 { "-" } else { "" };
    let (whole, part) = (n.abs() / UNIT, n.abs() % UNIT);
    match format!("{sign}{whole}.{part:017}").trim_end_matches('0').trim_end_matches('.') {
        "-0" => b"0".to_vec(),
        text => text.as_bytes().to_vec(),
    }
}
