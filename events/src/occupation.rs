//! 工种 and 证书: code sets of trades and certificates, versioned with the software.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of the two code sets in this file, told with every event that uses them.
pub const CODE_SET: &str = "linggong-trades-2026-11";

macro_rules! codes {
    ($(#[$doc:meta])* $Name:ident, $Bad:ident, $table:ident, $what:literal, [$($code:literal => $label:literal),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(u16);

        const $table: &[(&str, &str)] = &[$(($code, $label)),*];

        impl $Name {
            /// Every code with its Chinese label, in order.
            pub fn all() -> impl Iterator<Item = $Name> { (0..$table.len() as u16).map($Name) }

            /// The code.
            pub fn code(self) -> &'static str { $table[self.0 as usize].0 }

            /// The word of the office.
            pub fn label(self) -> &'static str { $table[self.0 as usize].1 }

            /// The place in the table, for dense indexes.
            pub const fn index(self) -> u16 { self.0 }

            /// The code whose label is `label`, as written on forms.
            pub fn of_label(label: &str) -> Option<$Name> {
                $table.iter().position(|(_, it)| *it == label).map(|n| $Name(n as u16))
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.code()) }
        }
        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.code()) }
        }
        impl FromStr for $Name {
            type Err = $Bad;
            fn from_str(text: &str) -> Result<$Name, $Bad> {
                $table.iter().position(|(code, _)| *code == text).map(|n| $Name(n as u16))
                    .ok_or_else(|| $Bad { text: text.chars().take(32).collect() })
            }
        }

        #[doc = concat!("A text that is no code of ", $what, ".")]
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[error("`{text}` is not a code of {}", $what)]
        pub struct $Bad {
            /// What was given, shortened.
            pub text: String,
        }

        impl Serialize for $Name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }
        impl<'de> Deserialize<'de> for $Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$Name, D::Error> {
                crate::text::parsed(deserializer)
            }
        }
        impl JsonSchema for $Name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($Name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($code),*] })
            }
        }
    };
}

codes! {
    /// A trade of the gig market.
    Occupation, BadOccupation, OCCUPATIONS, "a trade", [
        "general_helper" => "小工", "bricklayer" => "瓦工", "carpenter" => "木工", "rebar_worker" => "钢筋工",
        "scaffolder" => "架子工", "electrician" => "电工", "plumber" => "水暖工", "welder" => "焊工",
        "painter" => "油漆工", "wall_painter" => "刷墙", "tiler" => "贴砖工", "plasterer" => "抹灰工",
        "demolition" => "拆除工", "loader" => "装卸", "mover" => "搬运", "warehouse_picker" => "分拣",
        "driver" => "司机", "forklift_driver" => "叉车工", "cleaner" => "保洁", "housekeeper" => "家政",
        "caregiver" => "护理", "cook" => "厨师", "kitchen_helper" => "帮厨", "waiter" => "服务员",
        "catering_helper" => "餐饮小工", "gardener" => "园林绿化", "garlic_picker" => "摘蒜", "apple_picker" => "摘苹果",
        "farm_hand" => "农活", "greenhouse_worker" => "大棚工", "fisher" => "渔工", "factory_worker" => "普工",
        "sewing" => "缝纫工", "packer" => "包装工", "security_guard" => "保安", "promoter" => "促销",
        "flyer_distributor" => "发传单", "courier" => "跑腿", "well_digger" => "挖沟", "waterproofing" => "防水工",
    ]
}

codes! {
    /// A certificate that a trade may need.
    CertificateKind, BadCertificateKind, CERTIFICATES, "a certificate", [
        "health" => "健康证", "low_voltage_electrician" => "低压电工证", "high_voltage_electrician" => "高压电工证",
        "welding" => "焊工证", "work_at_height" => "高处作业证", "scaffolding" => "架子工证", "forklift" => "叉车证",
        "driving_c1" => "驾驶证C1", "driving_b2" => "驾驶证B2", "crane" => "起重证", "security" => "保安员证",
        "caregiving" => "护理证", "cooking" => "厨师证", "minor_registration" => "未成年工登记证",
    ]
}
