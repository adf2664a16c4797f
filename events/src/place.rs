//! Places as integer coordinates, and the one frozen rule for distances.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::measure::Metres;

/// A place on WGS-84 in millionths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Latitude, north positive.
    #[schemars(range(min = -90_000_000, max = 90_000_000))]
    pub lat_e6: i32,
    /// Longitude, east positive.
    #[schemars(range(min = -180_000_000, max = 180_000_000))]
    pub lon_e6: i32,
}

/// One degree.
const DEGREE_E6: u64 = 1_000_000;

/// The side of a cell of [`Point::coarse`].
const CELL_E6: i32 = 20_000;

impl Point {
    /// The place at that latitude and longitude, where there is one.
    pub fn new(lat_e6: i32, lon_e6: i32) -> Result<Point, BadPoint> {
        let on_earth = lat_e6.abs_diff(0) <= 90_000_000 && lon_e6.abs_diff(0) <= 180_000_000;
        if on_earth { Ok(Point { lat_e6, lon_e6 }) } else { Err(BadPoint { lat_e6, lon_e6 }) }
    }

    /// The middle of the cell in which the place lies: where somebody lives, as everybody may know it.
    ///
    /// Cells are 0.02° high and wide, in Shandong some 2.2 by 1.8 km, counted from 0° and never moved: whoever asks
    /// twice learns no more than whoever asks once.
    pub fn coarse(self) -> Point {
        let middle = |it: i32, end: i32| {
            let cell = it.clamp(-end, end).div_euclid(CELL_E6);
            (cell * CELL_E6 + CELL_E6 / 2).min(end)
        };
        Point { lat_e6: middle(self.lat_e6, 90_000_000), lon_e6: middle(self.lon_e6, 180_000_000) }
    }

    /// The distance in whole metres, by one rule that is never changed: replay depends on it.
    ///
    /// The ground between two places is taken as flat at their middle latitude. One degree of latitude and
    /// one of longitude are so many millimetres there, by two tables (WGS-84 at every
    /// whole degree, straight lines between), cut to whole millimetres; so are the two legs and the root of
    /// the sum of their squares; the last is rounded to metres, half a metre up. Only integers take part.
    /// The longitude goes the shorter way round. Against the geodesic the error stays under 0.02 % for 200 km
    /// within Shandong; near a pole and beyond some hundred kilometres the rule is not fit for use, but never fails.
    pub fn distance(self, other: Point) -> Metres {
        let north_e6 = u64::from(self.lat_e6.abs_diff(other.lat_e6));
        let around_e6 = u64::from(self.lon_e6.abs_diff(other.lon_e6));
        let east_e6 = around_e6.min((360 * DEGREE_E6).abs_diff(around_e6));
        let middle_e6 = (i64::from(self.lat_e6) + i64::from(other.lat_e6)).unsigned_abs() / 2;

        let north_mm = north_e6 * millimetres_per_degree(&NORTH_MM, middle_e6) / DEGREE_E6;
        let east_mm = east_e6 * millimetres_per_degree(&EAST_MM, middle_e6) / DEGREE_E6;
        let squared = u128::from(north_mm).pow(2) + u128::from(east_mm).pow(2);
        Metres(u32::try_from((squared.isqrt() + 500) / 1000).unwrap_or(u32::MAX))
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Point, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            lat_e6: i32,
            lon_e6: i32,
        }
        let Wire { lat_e6, lon_e6 } = Wire::deserialize(deserializer)?;
        Point::new(lat_e6, lon_e6).map_err(serde::de::Error::custom)
    }
}

/// Coordinates of no place on earth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("latitude `{lat_e6}` and longitude `{lon_e6}` in millionths of a degree are no place on earth")]
pub struct BadPoint {
    /// The latitude that was given.
    pub lat_e6: i32,
    /// The longitude that was given.
    pub lon_e6: i32,
}

/// The value at a latitude between two whole degrees; past the pole it is that of the pole.
fn millimetres_per_degree(table: &[u64; 91], latitude_e6: u64) -> u64 {
    let degree = (latitude_e6 / DEGREE_E6).min(90) as usize;
    let above = latitude_e6 % DEGREE_E6;
    let next = table.get(degree + 1).unwrap_or(&table[degree]);
    (table[degree] * (DEGREE_E6 - above) + next * above) / DEGREE_E6
}

/// Millimetres of one degree of latitude at each whole degree of WGS-84:
/// 111132.954 − 559.822 cos 2φ + 1.175 cos 4φ − 0.0023 cos 6φ metres, rounded.
#[rustfmt::skip]
const NORTH_MM: [u64; 91] = [
    110_574_305, 110_574_643, 110_575_657, 110_577_346, 110_579_708, 110_582_739, 110_586_437, 110_590_797,
    110_595_813, 110_601_481, 110_607_792, 110_614_740, 110_622_317, 110_630_512, 110_639_317, 110_648_721,
    110_658_713, 110_669_281, 110_680_412, 110_692_093, 110_704_311, 110_717_049, 110_730_294, 110_744_030,
    110_758_239, 110_772_905, 110_788_011, 110_803_538, 110_819_468, 110_835_781, 110_852_458, 110_869_479,
    110_886_823, 110_904_470, 110_922_398, 110_940_585, 110_959_011, 110_977_651, 110_996_485, 111_015_488,
    111_034_639, 111_053_913, 111_073_288, 111_092_740, 111_112_245, 111_131_779, 111_151_319, 111_170_841,
    111_190_321, 111_209_736, 111_229_061, 111_248_273, 111_267_348, 111_286_264, 111_304_996, 111_323_522,
    111_341_820, 111_359_866, 111_377_638, 111_395_115, 111_412_275, 111_429_097, 111_445_560, 111_461_644,
    111_477_328, 111_492_595, 111_507_423, 111_521_796, 111_535_696, 111_549_104, 111_562_005, 111_574_383,
    111_586_222, 111_597_507, 111_608_225, 111_618_362, 111_627_905, 111_636_843, 111_645_164, 111_652_858,
    111_659_916, 111_666_328, 111_672_087, 111_677_186, 111_681_618, 111_685_377, 111_688_459, 111_690_861,
    111_692_578, 111_693_609, 111_693_953,
];

/// Millimetres of one degree of longitude at each whole degree of WGS-84:
/// 111412.84 cos φ − 93.5 cos 3φ + 0.118 cos 5φ metres, rounded.
#[rustfmt::skip]
const EAST_MM: [u64; 91] = [
    111_319_458, 111_302_617, 111_252_099, 111_167_918, 111_050_098, 110_898_673, 110_713_687, 110_495_192,
    110_243_252, 109_957_937, 109_639_331, 109_287_524, 108_902_618, 108_484_723, 108_033_959, 107_550_456,
    107_034_352, 106_485_798, 105_904_950, 105_291_976, 104_647_053, 103_970_368, 103_262_116, 102_522_503,
    101_751_742, 100_950_057, 100_117_682, 99_254_857, 98_361_835, 97_438_875, 96_486_248, 95_504_230,
    94_493_109, 93_453_182, 92_384_754, 91_288_138, 90_163_656, 89_011_640, 87_832_430, 86_626_373,
    85_393_826, 84_135_155, 82_850_731, 81_540_938, 80_206_163, 78_846_806, 77_463_270, 76_055_970,
    74_625_325, 73_171_765, 71_695_726, 70_197_651, 68_677_989, 67_137_200, 65_575_748, 63_994_104,
    62_392_747, 60_772_161, 59_132_838, 57_475_276, 55_799_979, 54_107_456, 52_398_224, 50_672_803,
    48_931_722, 47_175_512, 45_404_711, 43_619_861, 41_821_512, 40_010_214, 38_186_525, 36_351_006,
    34_504_222, 32_646_743, 30_779_141, 28_901_993, 27_015_880, 25_121_384, 23_219_092, 21_309_592,
    19_393_477, 17_471_340, 15_543_776, 13_611_385, 11_674_765, 9_734_518, 7_791_247, 5_845_555,
    3_898_046, 1_949_326, 0,
];

#[cfg(test)]
mod tests {
    use super::*;

    const JINAN: Point = Point { lat_e6: 36_666_465, lon_e6: 117_076_441 };

    #[test]
    fn distances_are_frozen() {
        let cases = [
            ((36_666_465, 117_076_441), (36_666_465, 117_076_441), 0),
            ((36_666_465, 117_076_441), (36_666_466, 117_076_441), 0),
            ((36_666_465, 117_076_441), (36_666_475, 117_076_451), 1),
            ((36_666_465, 117_076_441), (36_651_335, 116_997_845), 7_225),
            ((36_666_465, 117_076_441), (36_066_108, 120_382_665), 304_093),
            ((36_666_465, 117_076_441), (37_463_822, 121_447_935), 398_721),
            ((34_000_000, 118_000_000), (38_500_000, 118_000_000), 499_337),
            ((36_000_000, 115_000_000), (36_000_000, 122_000_000), 631_146),
            ((35_104_672, 118_356_448), (34_822_546, 117_323_725), 99_374),
            ((37_921_368, 120_736_580), (37_810_661, 120_758_848), 12_443),
            ((0, 179_999_999), (0, -179_999_999), 0),
            ((-1_000_000, 10_000_000), (1_000_000, 10_000_000), 221_149),
        ];
        for ((lat_e6, lon_e6), (lat2, lon2), metres) in cases {
            let (a, b) = (Point { lat_e6, lon_e6 }, Point { lat_e6: lat2, lon_e6: lon2 });
            assert_eq!(a.distance(b), Metres(metres), "{a:?} to {b:?}");
            assert_eq!(b.distance(a), Metres(metres), "the way back");
        }
    }

    #[test]
    fn within_shandong_the_rule_is_within_a_fiftieth_of_a_percent_of_the_geodesic() {
        let mut worst = (0.0_f64, JINAN, JINAN);
        for lat in (34_000_000..=38_500_000).step_by(250_000) {
            for bearing in (0..360).step_by(15) {
                for km in [1.0, 5.0, 20.0, 60.0, 120.0, 199.0] {
                    let (sin, cos) = f64::from(bearing).to_radians().sin_cos();
                    let north = (km * cos / 111.0 * 1e6) as i32;
                    let east = (km * sin / (111.3 * f64::from(lat).to_radians_e6().cos()) * 1e6) as i32;
                    let a = Point { lat_e6: lat, lon_e6: 118_000_000 };
                    let b = Point { lat_e6: lat + north, lon_e6: 118_000_000 + east };
                    if !(34_000_000..=38_500_000).contains(&b.lat_e6) {
                        continue;
                    }
                    let exact = vincenty(a, b);
                    // Half a metre is the rounding itself.
                    let error = ((f64::from(a.distance(b).0) - exact).abs() - 0.5).max(0.0) / exact;
                    if error > worst.0 {
                        worst = (error, a, b);
                    }
                }
            }
        }
        assert!(worst.0 < 0.0002, "{:.6} from {:?} to {:?}", worst.0, worst.1, worst.2);
    }

    #[test]
    fn the_tables_are_those_of_the_ellipsoid() {
        for degree in 0..=90_usize {
            let phi = (degree as f64).to_radians();
            let north = 111_132.954 - 559.822 * (2.0 * phi).cos() + 1.175 * (4.0 * phi).cos()
                - 0.0023 * (6.0 * phi).cos();
            let east = 111_412.84 * phi.cos() - 93.5 * (3.0 * phi).cos() + 0.118 * (5.0 * phi).cos();
            assert!((NORTH_MM[degree] as f64 - north * 1000.0).abs() < 1.0, "north at {degree}");
            assert!((EAST_MM[degree] as f64 - east * 1000.0).abs() < 1.0, "east at {degree}");
        }
    }

    #[test]
    fn no_pair_of_numbers_makes_the_rule_fail() {
        let edges = [i32::MIN, -180_000_000, -90_000_000, -1, 0, 1, 90_000_000, 180_000_000, i32::MAX];
        for lat_e6 in edges {
            for lon_e6 in edges {
                let far = Point { lat_e6, lon_e6 };
                assert_eq!(far.distance(far), Metres(0));
                assert_eq!(far.distance(JINAN), JINAN.distance(far));
            }
        }
    }

    #[test]
    fn a_coarse_place_tells_the_cell_and_nothing_else() {
        let cases = [
            ((36_666_465, 117_076_441), (36_670_000, 117_070_000)),
            ((36_660_000, 117_060_000), (36_670_000, 117_070_000)),
            ((36_679_999, 117_079_999), (36_670_000, 117_070_000)),
            ((36_680_000, 117_080_000), (36_690_000, 117_090_000)),
            ((-1, -1), (-10_000, -10_000)),
            ((90_000_000, 180_000_000), (90_000_000, 180_000_000)),
            ((-90_000_000, -180_000_000), (-89_990_000, -179_990_000)),
        ];
        for ((lat_e6, lon_e6), (lat, lon)) in cases {
            let coarse = Point { lat_e6, lon_e6 }.coarse();
            assert_eq!(coarse, Point { lat_e6: lat, lon_e6: lon });
            assert!(Point::new(coarse.lat_e6, coarse.lon_e6).is_ok());
            assert_eq!(coarse.coarse(), coarse, "coarser than coarse there is not");
        }
        assert!(JINAN.distance(JINAN.coarse()) < Metres(1_500));
        let edges = [i32::MIN, i32::MAX].map(|it| Point { lat_e6: it, lon_e6: it }.coarse());
        assert!(edges.iter().all(|it| Point::new(it.lat_e6, it.lon_e6).is_ok()));
    }

    #[test]
    fn a_place_that_is_not_on_earth_is_refused() {
        let read = |text| serde_json::from_str::<Point>(text);
        assert_eq!(read(r#"{"lat_e6":36666465,"lon_e6":117076441}"#).unwrap(), JINAN);
        assert!(read(r#"{"lat_e6":117076441,"lon_e6":36666465}"#).is_err(), "latitude and longitude swapped");
        assert!(read(r#"{"lat_e6":0,"lon_e6":180000001}"#).is_err());
        assert!(read(r#"{"lat_e6":36666465,"lon_e6":117076441,"alt":3}"#).is_err());
        assert_eq!(Point::new(i32::MIN, 0), Err(BadPoint { lat_e6: i32::MIN, lon_e6: 0 }));
    }

    trait MillionthsOfDegrees {
        fn to_radians_e6(self) -> f64;
    }
    impl MillionthsOfDegrees for f64 {
        fn to_radians_e6(self) -> f64 {
            (self / 1e6).to_radians()
        }
    }

    /// T. Vincenty's inverse solution on WGS-84, in metres.
    fn vincenty(a: Point, b: Point) -> f64 {
        let (major, flattening) = (6_378_137.0_f64, 1.0 / 298.257_223_563);
        let minor = major * (1.0 - flattening);
        let reduced = |lat: i32| ((1.0 - flattening) * f64::from(lat).to_radians_e6().tan()).atan();
        let ((sin1, cos1), (sin2, cos2)) = (reduced(a.lat_e6).sin_cos(), reduced(b.lat_e6).sin_cos());
        let apart = f64::from(b.lon_e6 - a.lon_e6).to_radians_e6();
        let mut lambda = apart;
        let (mut sigma, mut sin_sigma, mut cos_sigma, mut cos2_alpha, mut cos_2m) = (0.0, 0.0, 1.0, 1.0, 0.0);
        for _ in 0..50 {
            let (sin_l, cos_l) = lambda.sin_cos();
            sin_sigma = ((cos2 * sin_l).powi(2) + (cos1 * sin2 - sin1 * cos2 * cos_l).powi(2)).sqrt();
            cos_sigma = sin1 * sin2 + cos1 * cos2 * cos_l;
            sigma = f64::atan2(sin_sigma, cos_sigma);
            let sin_alpha = cos1 * cos2 * sin_l / sin_sigma;
            cos2_alpha = 1.0 - sin_alpha.powi(2);
            cos_2m = cos_sigma - 2.0 * sin1 * sin2 / cos2_alpha;
            let c = flattening / 16.0 * cos2_alpha * (4.0 + flattening * (4.0 - 3.0 * cos2_alpha));
            lambda = apart
                + (1.0 - c)
                    * flattening
                    * sin_alpha
                    * (sigma + c * sin_sigma * (cos_2m + c * cos_sigma * (2.0 * cos_2m.powi(2) - 1.0)));
        }
        let u2 = cos2_alpha * (major.powi(2) - minor.powi(2)) / minor.powi(2);
        let big_a = 1.0 + u2 / 16384.0 * (4096.0 + u2 * (-768.0 + u2 * (320.0 - 175.0 * u2)));
        let big_b = u2 / 1024.0 * (256.0 + u2 * (-128.0 + u2 * (74.0 - 47.0 * u2)));
        let inner = cos_sigma * (2.0 * cos_2m.powi(2) - 1.0)
            - big_b / 6.0 * cos_2m * (4.0 * sin_sigma.powi(2) - 3.0) * (4.0 * cos_2m.powi(2) - 3.0);
        let delta = big_b * sin_sigma * (cos_2m + big_b / 4.0 * inner);
        minor * big_a * (sigma - delta)
    }
}
