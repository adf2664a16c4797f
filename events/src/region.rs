//! 行政区划: codes of GB/T 2260, and the divisions of Shandong by date.
//!
//! The code is the key everywhere, never the name: two 市中区 exist. Names change and codes are abolished, so
//! whoever asks for a name says for which day.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::place::Point;
use crate::time::Date;

/// A six-digit division code: county `370102`, city `370100`, province `370000`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(u32);

impl Region {
    /// 山东省.
    pub const SHANDONG: Region = Region(370_000);

    /// Whether `other` is this division or lies in it, by the codes alone: 济南 does not cover the 莱城区 of
    /// 2018. Ask for [`Region::current`] first where the land is meant and not the authority of that day.
    pub fn covers(self, other: Region) -> bool {
        if self.is_province() {
            self.0 / 10_000 == other.0 / 10_000
        } else if self.is_city() {
            self.0 / 100 == other.0 / 100
        } else {
            self == other
        }
    }

    /// Whether the code is that of a province: `370000`.
    pub const fn is_province(self) -> bool {
        self.0.is_multiple_of(10_000)
    }

    /// Whether the code is that of a city: `370100`.
    pub const fn is_city(self) -> bool {
        self.0.is_multiple_of(100) && !self.is_province()
    }

    /// Whether the code is that of a county, district or county-level city: `370102`.
    pub const fn is_county(self) -> bool {
        !self.0.is_multiple_of(100)
    }

    /// The city this division lies in or is; a province is its own.
    pub const fn city(self) -> Region {
        if self.is_province() { self } else { Region(self.0 / 100 * 100) }
    }

    /// The name it bore on that date; `None` where the table holds no such division then.
    pub fn name(self, on: Date) -> Option<&'static str> {
        self.rows().find(|it| it.holds(on)).map(|it| it.name.as_str())
    }

    /// The name with those of city and province in front, as on forms: `山东省济南市历下区`.
    pub fn full_name(self, on: Date) -> Option<String> {
        let own = self.name(on)?;
        let mut above: Vec<Region> = vec![Region(self.0 / 10_000 * 10_000), self.city()];
        above.retain(|it| *it != self);
        above.dedup();
        let names: Option<String> = above.into_iter().map(|it| it.name(on)).collect();
        names.map(|front| front + own)
    }

    /// Every division that bore that name on that date, in order of code: two where it is 市中区. Names of city
    /// and province may stand in front.
    pub fn by_name(name: &str, on: Date) -> Vec<Region> {
        let matches = |it: &&Division| {
            it.holds(on)
                && (it.name == name || (name.ends_with(&it.name) && it.region.is_named_in_full(name, on)))
        };
        SHANDONG.iter().filter(matches).map(|it| it.region).collect()
    }

    fn is_named_in_full(self, name: &str, on: Date) -> bool {
        let full = self.full_name(on).unwrap_or_default();
        let without_province = Region(self.0 / 10_000 * 10_000).name(on).and_then(|it| full.strip_prefix(it));
        full == name || without_province == Some(name)
    }

    /// Where an abolished division's land belongs since; `None` for one that stands.
    pub fn successor(self) -> Option<Region> {
        if self.rows().any(|it| it.until.is_none()) {
            return None;
        }
        self.rows().find_map(|it| it.successor)
    }

    /// The division that stands today where this one lies; itself unless it was abolished.
    pub fn current(self) -> Region {
        let mut region = self;
        while let Some(next) = region.successor() {
            region = next;
        }
        region
    }

    /// A point near its middle, good to about a kilometre: for maps and samples, never for a decision.
    pub fn centre(self) -> Option<Point> {
        self.rows().find_map(|it| it.centre)
    }

    /// The counties, districts and county-level cities of Shandong on that date, in order of code.
    pub fn counties(on: Date) -> impl Iterator<Item = Region> {
        SHANDONG.iter().filter(move |it| it.region.is_county() && it.holds(on)).map(|it| it.region)
    }

    /// The cities of Shandong on that date, in order of code.
    pub fn cities(on: Date) -> impl Iterator<Item = Region> {
        SHANDONG.iter().filter(move |it| it.region.is_city() && it.holds(on)).map(|it| it.region)
    }

    fn rows(self) -> impl Iterator<Item = &'static Division> {
        SHANDONG.iter().filter(move |it| it.region == self)
    }
}

/// One division under one name.
struct Division {
    region: Region,
    name: String,
    from: Option<Date>,
    until: Option<Date>,
    successor: Option<Region>,
    centre: Option<Point>,
}

impl Division {
    fn holds(&self, on: Date) -> bool {
        self.from.is_none_or(|from| from <= on) && self.until.is_none_or(|until| on < until)
    }

    fn parse(line: &str) -> Option<Division> {
        fn optional<T: FromStr>(text: &str) -> Option<Option<T>> {
            if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
        }
        let [code, name, from, until, successor, lat_e6, lon_e6, _source] =
            line.split(',').collect::<Vec<_>>().try_into().ok()?;
        let centre = match (optional(lat_e6)?, optional(lon_e6)?) {
            (Some(lat_e6), Some(lon_e6)) => Some(Point::new(lat_e6, lon_e6).ok()?),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return None,
        };
        Some(Division {
            region: code.parse().ok()?,
            name: name.to_owned(),
            from: optional(from)?,
            until: optional(until)?,
            successor: optional(successor)?,
            centre,
        })
    }
}

/// The table that ships with the software; a change of it is a change of `region/shandong.csv`.
static SHANDONG: LazyLock<Vec<Division>> = LazyLock::new(|| {
    let lines = include_str!("region/shandong.csv").lines().filter(|line| !line.starts_with('#')).skip(1);
    let table: Option<Vec<Division>> = lines.map(Division::parse).collect();
    table.expect("the table of divisions in the software is well formed, which a test proves")
});

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({self})")
    }
}

impl FromStr for Region {
    type Err = BadRegion;
    fn from_str(text: &str) -> Result<Region, BadRegion> {
        let digits = text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(code) if digits && code >= 110_000 => Ok(Region(code)),
            Ok(_) | Err(_) => Err(BadRegion { text: text.chars().take(16).collect() }),
        }
    }
}

/// A text that is no division code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a six-digit division code of GB/T 2260")]
pub struct BadRegion {
    /// What was given, shortened.
    pub text: String,
}

impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Region, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl JsonSchema for Region {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Region".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[1-9][0-9]{5}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(code: &str) -> Region {
        code.parse().unwrap()
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn shandong_has_16_cities_and_136_counties_today() {
        let today = day("2026-11-22");
        assert_eq!(Region::cities(today).count(), 16);
        assert_eq!(Region::counties(today).count(), 136);
        for county in Region::counties(today) {
            assert!(county.city().name(today).is_some_and(|name| name.ends_with('市')), "{county}");
            assert!(Region::SHANDONG.covers(county));
            assert_eq!(county.current(), county);
            let centre = county.centre().unwrap();
            assert!((34_300_000..38_500_000).contains(&centre.lat_e6), "{county}");
            assert!((114_700_000..122_800_000).contains(&centre.lon_e6), "{county}");
        }
    }

    #[test]
    fn a_county_has_exactly_one_name_on_any_day() {
        for on in
            ["2012-06-01", "2013-12-31", "2016-12-31", "2019-01-08", "2019-01-09", "2026-11-22"].map(day)
        {
            let codes: Vec<Region> = Region::counties(on).collect();
            let mut once = codes.clone();
            once.dedup();
            assert_eq!(codes, once, "on {on}");
        }
    }

    #[test]
    fn an_abolished_division_keeps_its_name_and_points_at_its_successor() {
        let (before, after) = (day("2018-06-01"), day("2020-12-31"));
        for (old, name, new, new_name) in [
            ("371202", "莱城区", "370116", "莱芜区"),
            ("371203", "钢城区", "370117", "钢城区"),
            ("371200", "莱芜市", "370100", "济南市"),
            ("370634", "长岛县", "370614", "蓬莱区"),
            ("370684", "蓬莱市", "370614", "蓬莱区"),
            ("371626", "邹平县", "371681", "邹平市"),
            ("371523", "茌平县", "371503", "茌平区"),
        ] {
            assert_eq!(region(old).name(before), Some(name));
            assert_eq!(region(old).name(after), None, "{old}");
            assert_eq!(region(old).current(), region(new));
            assert_eq!(region(new).name(after), Some(new_name));
        }
        assert_eq!(region("370282").successor(), Some(region("370215")), "即墨");
        assert_eq!(region("370125").name(day("2018-06-18")), Some("济阳县"));
        assert_eq!(region("370115").name(day("2018-06-18")), None);
        assert_eq!(region("370115").name(day("2018-06-19")), Some("济阳区"));
    }

    #[test]
    fn a_renamed_county_keeps_its_code() {
        let code = region("371324");
        assert_eq!(code.name(day("2013-01-01")), Some("苍山县"));
        assert_eq!(code.name(day("2026-01-01")), Some("兰陵县"));
        assert_eq!(code.successor(), None);
    }

    #[test]
    fn a_name_alone_may_mean_two_counties() {
        let today = day("2026-11-22");
        assert_eq!(Region::by_name("市中区", today), [region("370103"), region("370402")]);
        assert_eq!(Region::by_name("济南市市中区", today), [region("370103")]);
        assert_eq!(Region::by_name("山东省枣庄市市中区", today), [region("370402")]);
        assert_eq!(Region::by_name("章丘市", today), []);
        assert_eq!(Region::by_name("烟台市市中区", today), []);
        assert_eq!(Region::by_name("济南市", today), [region("370100")]);
        assert_eq!(region("370102").full_name(today).unwrap(), "山东省济南市历下区");
    }

    #[test]
    fn a_division_covers_what_lies_in_it() {
        let (province, city, county) = (Region::SHANDONG, region("370100"), region("370102"));
        assert!(
            province.covers(city) && province.covers(county) && city.covers(county) && county.covers(county)
        );
        assert!(!county.covers(city) && !city.covers(region("370202")) && !province.covers(region("410102")));
        assert!(province.is_province() && city.is_city() && county.is_county() && !province.is_city());
        for text in ["", "37010", "3701022", "37010a", "３７０１０２", "-37010", "012345"] {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
    }
}
