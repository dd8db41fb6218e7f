//! GEOSEARCH, GEORADIUS and their kin: members inside a circle or a box.

use thermocline_engine::value::{ScoreRange, SortedSetValue};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::area::Shape;
use super::distance::unit_m;
use super::geohash::{Cell, Position};
use super::read::{position, position_of, reply_distance, reply_position};
use crate::command::arguments::{integer, is_word};
use crate::command::sorted_set::range::store;
use crate::command::sorted_set::sorted_set;
use crate::command::strtod::whole_number;
use crate::command::{Failure, KeyContext};

/// The commands, which differ in how they are told what to search, and whether they store it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Radius { may_store: bool },
    RadiusByMember { may_store: bool },
    Search,
    SearchStore,
}

impl Command {
    fn is_search(self) -> bool {
        matches!(self, Self::Search | Self::SearchStore)
    }

    fn may_store(self) -> bool {
        matches!(self, Self::Radius { may_store: true } | Self::RadiusByMember { may_store: true })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Found,
    Nearest,
    Farthest,
}

/// What is asked for.
struct Request<'a> {
    /// Where the search begins. None where a member of a key that does not exist was named.
    centre: Option<Position>,
    shape: Option<Shape>,
    /// The metres of the unit that distances are replied in.
    unit_m: f64,
    order: Order,
    count: Option<usize>,
    /// Whether the first members that are found will do.
    any: bool,
    with_distance: bool,
    with_score: bool,
    with_position: bool,
    target: Option<&'a [u8]>,
    stores_distances: bool,
}

/// A member that was found.
struct Found {
    member: Vec<u8>,
    score: f64,
    position: Position,
    distance_m: f64,
}

impl<'a> Request<'a> {
    fn parse(
        command: Command,
        set: Option<&SortedSetValue>,
        arguments: Arguments<'a>,
    ) -> Result<Self, Failure> {
        let mut request = Self {
            centre: None,
            shape: None,
            unit_m: 1.0,
            order: Order::Found,
            count: None,
            any: false,
            with_distance: false,
            with_score: false,
            with_position: false,
            target: None,
            stores_distances: false,
        };
        let options = match command {
            Command::Radius { .. } => {
                request.centre = Some(position(arguments.get(2), arguments.get(3))?);
                request.set_radius(arguments.get(4), arguments.get(5))?;
                6
            }
            Command::RadiusByMember { .. } => {
                // Without a key, the options still decide what kind of reply is due.
                if set.is_some() {
                    request.centre = Some(known_position(set, arguments.get(2))?);
                    request.set_radius(arguments.get(3), arguments.get(4))?;
                }
                5
            }
            Command::Search => 2,
            Command::SearchStore => {
                request.target = Some(arguments.get(1));
                3
            }
        };
        request.parse_options(command, set, arguments.skip(options))?;
        request.check(command, arguments.get(0))?;
        Ok(request)
    }

    fn parse_options(
        &mut self,
        command: Command,
        set: Option<&SortedSetValue>,
        options: Arguments<'a>,
    ) -> Result<(), Failure> {
        let (mut from_member, mut from_position) = (false, false);
        let mut at = 0;
        while at < options.len() {
            let (word, behind) = (options.get(at), options.len() - at - 1);
            let is_circle = matches!(self.shape, Some(Shape::Circle { .. }));
            let is_box = matches!(self.shape, Some(Shape::Box { .. }));
            match word {
                word if is_word(word, "withdist") => self.with_distance = true,
                word if is_word(word, "withhash") => self.with_score = true,
                word if is_word(word, "withcoord") => self.with_position = true,
                word if is_word(word, "any") => self.any = true,
                word if is_word(word, "asc") => self.order = Order::Nearest,
                word if is_word(word, "desc") => self.order = Order::Farthest,
                word if is_word(word, "count") && behind > 0 => {
                    at += 1;
                    let count = integer(options.get(at))?;
                    if count <= 0 {
                        return Err(Failure::error("ERR COUNT must be > 0"));
                    }
                    self.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
                }
                word if command.may_store() && behind > 0 && is_word(word, "store") => {
                    at += 1;
                    (self.target, self.stores_distances) = (Some(options.get(at)), false);
                }
                word if command.may_store() && behind > 0 && is_word(word, "storedist") => {
                    at += 1;
                    (self.target, self.stores_distances) = (Some(options.get(at)), true);
                }
                word if command == Command::SearchStore && is_word(word, "storedist") => {
                    self.stores_distances = true;
                }
                word if command.is_search()
                    && behind > 0
                    && !from_position
                    && is_word(word, "frommember") =>
                {
                    at += 1;
                    if set.is_some() {
                        self.centre = Some(known_position(set, options.get(at))?);
                    }
                    from_member = true;
                }
                word if command.is_search() && behind > 1 && !from_member && is_word(word, "fromlonlat") => {
                    self.centre = Some(position(options.get(at + 1), options.get(at + 2))?);
                    from_position = true;
                    at += 2;
                }
                word if command.is_search() && behind > 1 && !is_box && is_word(word, "byradius") => {
                    self.set_radius(options.get(at + 1), options.get(at + 2))?;
                    at += 2;
                }
                word if command.is_search() && behind > 2 && !is_circle && is_word(word, "bybox") => {
                    self.set_box(options.get(at + 1), options.get(at + 2), options.get(at + 3))?;
                    at += 3;
                }
                _ => return Err(Failure::SYNTAX),
            }
            at += 1;
        }
        // A member of a key that does not exist is as good as any centre.
        if command.is_search() && from_member && set.is_none() {
            self.centre = Some(Position { longitude: 0.0, latitude: 0.0 });
        }
        Ok(())
    }

    fn set_radius(&mut self, radius: &[u8], unit: &[u8]) -> Result<(), Failure> {
        let radius = whole_number(radius).ok_or(Failure::error("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(Failure::error("ERR radius cannot be negative"));
        }
        self.unit_m = unit_m(unit)?;
        self.shape = Some(Shape::Circle { radius_m: radius * self.unit_m });
        Ok(())
    }

    fn set_box(&mut self, width: &[u8], height: &[u8], unit: &[u8]) -> Result<(), Failure> {
        let width = whole_number(width).ok_or(Failure::error("ERR need numeric width"))?;
        let height = whole_number(height).ok_or(Failure::error("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(Failure::error("ERR height or width cannot be negative"));
        }
        self.unit_m = unit_m(unit)?;
        self.shape = Some(Shape::Box { width_m: width * self.unit_m, height_m: height * self.unit_m });
        Ok(())
    }

    fn check(&self, command: Command, name: &[u8]) -> Result<(), Failure> {
        if self.target.is_some() && (self.with_distance || self.with_score || self.with_position) {
            let what = match command {
                Command::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(Failure::error(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let name = String::from_utf8_lossy(name);
        if command.is_search() && self.centre.is_none() {
            return Err(one_of("FROMMEMBER or FROMLONLAT", &name));
        }
        if command.is_search() && self.shape.is_none() {
            return Err(one_of("BYRADIUS and BYBOX", &name));
        }
        if self.any && self.count.is_none() {
            return Err(Failure::error("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// The members inside, in the order asked for.
    fn run(&self, set: &SortedSetValue) -> Vec<Found> {
        let (Some(centre), Some(shape)) = (self.centre, self.shape) else {
            panic!("a search in a key that exists has a centre and a shape")
        };
        let enough = self.count.filter(|_| self.any).unwrap_or(usize::MAX);
        let mut found: Vec<Found> = Vec::new();
        let mut last: Option<Cell> = None;
        for (number, cell) in shape.cells(centre).into_iter().enumerate() {
            // Large cells are their own neighbours, and those often come in a row. As in Redis, the middle is looked at
            // again where it is one of them.
            if last == Some(cell) {
                continue;
            }
            if found.len() >= enough {
                break;
            }
            collect(set, cell, centre, shape, enough, &mut found);
            last = Some(cell).filter(|_| number > 0);
        }
        let order = match self.order {
            // The nearest ones are meant, unless any will do.
            Order::Found if self.count.is_some() && !self.any => Order::Nearest,
            order => order,
        };
        match order {
            Order::Found => {}
            Order::Nearest => found.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m)),
            Order::Farthest => found.sort_by(|a, b| b.distance_m.total_cmp(&a.distance_m)),
        }
        found.truncate(self.count.unwrap_or(usize::MAX));
        found
    }

    fn reply(&self, reply: &mut ReplyEncoder<'_>, found: &[Found]) {
        let options = [self.with_distance, self.with_score, self.with_position];
        let option_count = options.into_iter().filter(|&is_set| is_set).count();
        reply.array(found.len());
        for found in found {
            if option_count > 0 {
                reply.array(1 + option_count);
            }
            reply.bulk(&found.member);
            if self.with_distance {
                reply_distance(reply, found.distance_m / self.unit_m);
            }
            if self.with_score {
                reply.integer(found.score as i64);
            }
            if self.with_position {
                reply_position(reply, found.position);
            }
        }
    }
}

/// Members of one cell that are inside the shape.
fn collect(
    set: &SortedSetValue,
    cell: Cell,
    centre: Position,
    shape: Shape,
    enough: usize,
    found: &mut Vec<Found>,
) {
    let (min, max) = cell.scores();
    let range = ScoreRange { min, max, excludes_min: false, excludes_max: true };
    for (member, score) in set.range(set.ranks_by_score(&range), false) {
        let position = Position::of_score(score);
        if let Some(distance_m) = shape.distance_m(centre, position) {
            found.push(Found { member: member.to_vec(), score, position, distance_m });
            if found.len() >= enough {
                return;
            }
        }
    }
}

fn known_position(set: Option<&SortedSetValue>, member: &[u8]) -> Result<Position, Failure> {
    position_of(set, member).ok_or(Failure::error("ERR could not decode requested zset member"))
}

fn one_of(what: &str, command: &str) -> Failure {
    Failure::error(format!("ERR exactly one of {what} can be specified for {command}"))
}

pub(super) fn georadius(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    search(context, Command::Radius { may_store: true }, arguments)
}

pub(super) fn georadius_ro(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    search(context, Command::Radius { may_store: false }, arguments)
}

pub(super) fn georadiusbymember(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
) -> Result<(), Failure> {
    search(context, Command::RadiusByMember { may_store: true }, arguments)
}

pub(super) fn georadiusbymember_ro(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
) -> Result<(), Failure> {
    search(context, Command::RadiusByMember { may_store: false }, arguments)
}

pub(super) fn geosearch(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    search(context, Command::Search, arguments)
}

pub(super) fn geosearchstore(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    search(context, Command::SearchStore, arguments)
}

fn search(context: &mut KeyContext<'_>, command: Command, arguments: Arguments<'_>) -> Result<(), Failure> {
    let source = arguments.get(if command == Command::SearchStore { 2 } else { 1 });
    let set = context.keys.get(source)?.map(sorted_set).transpose()?;
    let request = Request::parse(command, set, arguments)?;
    let found = set.map(|set| request.run(set)).unwrap_or_default();
    let Some(target) = request.target else {
        request.reply(&mut context.reply, &found);
        return Ok(());
    };
    let score = |found: &Found| match request.stores_distances {
        true => found.distance_m / request.unit_m,
        false => found.score,
    };
    let members: Vec<(&[u8], f64)> = found.iter().map(|found| (&*found.member, score(found))).collect();
    let result = SortedSetValue::from_members(&members, context.server.config.sorted_set_limits());
    let event = if command == Command::SearchStore { "geosearchstore" } else { "georadiusstore" };
    store(context, target, result, event);
    Ok(())
}
