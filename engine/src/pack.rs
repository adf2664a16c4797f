//! 规则包: what the law and the office say, as typed data; never as numbers in code.
//!
//! A pack is read once from its bytes and known by their digest. Each row carries its basis: the article, the
//! sentence that was read, its SHA-256. A row nobody has read against its statute may be shown, but has no
//! legal effect: [`Basis::verified`] is false, a deadline computed from it is [`Effect::Shown`], its limit is
//! `None` from [`Limit::legal`], and its `block` acts as `review`.
//!
//! [`Effect::Shown`]: crate::deadline::Effect::Shown

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use linggong_events::commit::Digest;
use linggong_events::measure::Fen;
use linggong_events::occupation::Occupation;
use linggong_events::region::Region;
use linggong_events::rules::{PackKind, PackNames};
use linggong_events::time::{Date, MINUTE_MS};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::calendar::{Calendar, CalendarPack};
use crate::deadline::{self, Days, Deadline, Trigger};

/// The packs this software ships, by name; an office adopts them by an event like any other.
pub const DEFAULT_PACKS: &[(&str, PackKind, &str)] = &[
    ("cn-national", PackKind::Statutes, include_str!("../../config/rules/cn-national.toml")),
    ("cn-37", PackKind::Statutes, include_str!("../../config/rules/cn-37.toml")),
    ("cn-2024", PackKind::Calendar, include_str!("../../config/calendars/cn-2024.toml")),
    ("cn-2025", PackKind::Calendar, include_str!("../../config/calendars/cn-2025.toml")),
    ("cn-2026", PackKind::Calendar, include_str!("../../config/calendars/cn-2026.toml")),
    ("default-2026", PackKind::Policy, include_str!("../../config/policies/default-2026.toml")),
];

/// [`DEFAULT_PACKS`], read.
pub fn default_packs() -> Result<Vec<Pack>, PackError> {
    DEFAULT_PACKS.iter().map(|(_, kind, text)| Pack::parse(*kind, text.as_bytes())).collect()
}

/// The packs in force at a moment; what an engine holds in its context.
///
/// Packs are given in the order of their adoption. Of statutes, calendars of one year and policies with the
/// same name or year, the last adopted holds. Where two statutes packs have a row of one id, the pack whose
/// *name* was adopted later wins, so that a province's pack goes before the national one, and still does when
/// the national one is renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleBook {
    statutes: Vec<RulePack>,
    calendar: Calendar,
    policy: Option<PolicyPack>,
    /// The packs, for traces, and the same for envelopes: every event has them.
    names: Vec<String>,
    in_force: PackNames,
}

impl RuleBook {
    /// The book of these packs, in the order of their adoption.
    pub fn new(packs: impl IntoIterator<Item = Arc<Pack>>) -> RuleBook {
        let mut book = RuleBook::default();
        let mut years: BTreeMap<i16, Arc<CalendarPack>> = BTreeMap::new();
        for pack in packs {
            match &*pack {
                Pack::Statutes(statutes) => book.renew(statutes.clone()),
                Pack::Calendar(calendar) => {
                    years.insert(calendar.year, Arc::new(calendar.clone()));
                }
                Pack::Policy(policy) => book.policy = Some(policy.clone()),
            }
        }
        book.calendar = Calendar::new(years.into_values());
        let statutes = book.statutes.iter().map(RulePack::label);
        let calendars = book.calendar.packs().map(CalendarPack::label);
        book.names = statutes.chain(calendars).chain(book.policy.iter().map(PolicyPack::label)).collect();
        book.in_force = book.names.iter().collect();
        book
    }

    fn renew(&mut self, pack: RulePack) {
        match self.statutes.iter_mut().find(|held| held.name == pack.name) {
            Some(held) => *held = pack,
            None => self.statutes.push(pack),
        }
    }

    /// The book of [`DEFAULT_PACKS`].
    pub fn shipped() -> Result<RuleBook, PackError> {
        Ok(RuleBook::new(default_packs()?.into_iter().map(Arc::new)))
    }

    /// The packs in force as `name@digest8`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The packs in force, for the `rules` attribute of an envelope.
    pub fn in_force(&self) -> PackNames {
        self.in_force.clone()
    }

    /// The statutes packs, the one that wins first.
    pub fn statutes(&self) -> impl Iterator<Item = &RulePack> {
        self.statutes.iter().rev()
    }

    /// The row of a deadline.
    pub fn deadline_row(&self, id: &str) -> Option<&DeadlineRow> {
        self.statutes().find_map(|pack| pack.deadlines.get(id))
    }

    /// The deadline of row `id` for `trigger`, `suspended` days not counted; `None` where no pack has the row.
    pub fn deadline(&self, id: &str, trigger: impl Into<Trigger>, suspended: &[Days]) -> Option<Deadline> {
        let row = self.deadline_row(id)?;
        Some(deadline::deadline(row, trigger, &self.calendar, suspended))
    }

    /// A number of the law.
    pub fn limit(&self, id: LimitId) -> Option<&Limit> {
        self.statutes().find_map(|pack| pack.limits.get(&id))
    }

    /// The office's own numbers.
    pub fn office(&self) -> Option<&Office> {
        self.statutes().find_map(|pack| pack.office.as_ref())
    }

    /// The time that somebody needs from one place of work to the next.
    pub(crate) fn travel_ms(&self) -> i64 {
        self.office().map_or(0, |office| i64::from(office.travel_minutes)) * MINUTE_MS
    }

    /// The weights of matching.
    pub fn policy(&self) -> Option<&PolicyPack> {
        self.policy.as_ref()
    }

    /// The days that are worked.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The minimum wage at a place of work on a work date.
    ///
    /// Of the rows that cover the place and have begun, that of the smallest division holds, and of those the
    /// latest.
    pub fn minimum_wage(&self, region: Region, date: Date) -> Option<&MinimumWage> {
        let rows = self.statutes.iter().flat_map(|pack| &pack.minimum_wages);
        rows.filter(|row| row.region.covers(region) && row.from <= date)
            .max_by_key(|row| (specificity(row.region), row.from))
    }

    /// What this book lacks before an engine can work by it, by name; empty for a whole book.
    pub fn missing(&self) -> Vec<String> {
        let limits = LimitId::ALL.iter().filter(|id| self.limit(**id).is_none());
        let mut missing: Vec<String> = limits.map(|id| format!("limit {}", id.name())).collect();
        if self.office().is_none() {
            missing.push("the office's own numbers".to_owned());
        }
        if self.policy.is_none() {
            missing.push("a policy of matching".to_owned());
        }
        missing
    }
}

/// The division's level, so that a county's row goes before its city's and its province's.
fn specificity(region: Region) -> u8 {
    let code = region.to_string();
    match (code.ends_with("0000"), code.ends_with("00")) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

/// One pack, of the kind that its event of adoption names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pack {
    /// Deadlines, limits, posting rules.
    Statutes(RulePack),
    /// Working days of one year.
    Calendar(CalendarPack),
    /// The weights of matching.
    Policy(PolicyPack),
}

impl Pack {
    /// The pack of that kind written in `bytes` (TOML).
    pub fn parse(kind: PackKind, bytes: &[u8]) -> Result<Pack, PackError> {
        let pack = match kind {
            PackKind::Statutes => RulePack::parse(bytes).map(Pack::Statutes),
            PackKind::Calendar => CalendarPack::parse(bytes).map(Pack::Calendar),
            PackKind::Policy => PolicyPack::parse(bytes).map(Pack::Policy),
        }?;
        // Envelopes name the packs in force one after the other.
        if pack.name().is_empty() || pack.name().contains(' ') {
            return Err(PackError::row(pack.name(), "the name of a pack is empty or has a space"));
        }
        Ok(pack)
    }

    /// What it holds.
    pub fn kind(&self) -> PackKind {
        match self {
            Pack::Statutes(_) => PackKind::Statutes,
            Pack::Calendar(_) => PackKind::Calendar,
            Pack::Policy(_) => PackKind::Policy,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Pack::Statutes(pack) => &pack.name,
            Pack::Calendar(pack) => &pack.name,
            Pack::Policy(pack) => &pack.name,
        }
    }

    /// SHA-256 of its bytes: what an event of adoption selects it by.
    pub fn digest(&self) -> Digest {
        match self {
            Pack::Statutes(pack) => pack.digest,
            Pack::Calendar(pack) => pack.digest,
            Pack::Policy(pack) => pack.digest,
        }
    }

    /// `name@digest8`, as traces and envelopes name it.
    pub fn label(&self) -> String {
        label(self.name(), &self.digest())
    }
}

/// `name@` and the first eight digits of the digest.
pub(crate) fn label(name: &str, digest: &Digest) -> String {
    let text = digest.to_string();
    let digits = text.rsplit(':').next().unwrap_or_default();
    format!("{name}@{}", digits.get(..8).unwrap_or(digits))
}

/// A pack of statutes: the law of the country or of one region, and the office's own numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePack {
    /// Its name, `cn-national` or `cn-37`.
    pub name: String,
    /// Its version, for people; the digest is what counts.
    pub version: String,
    /// Where its posting rules hold; everywhere if absent.
    pub region: Option<Region>,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its deadlines, by id.
    pub deadlines: BTreeMap<String, DeadlineRow>,
    /// Its numbers, by id.
    pub limits: BTreeMap<LimitId, Limit>,
    /// The office's own numbers, if it has any.
    pub office: Option<Office>,
    /// Its minimum wages.
    pub minimum_wages: Vec<MinimumWage>,
    /// Its rules about the words of postings, in the order of the file.
    pub posting_rules: Vec<PostingRule>,
    /// Its rules about the fields of postings.
    pub posting_fields: BTreeMap<FieldCheck, PostingField>,
}

impl RulePack {
    /// The pack written in `bytes` (TOML).
    ///
    /// Refused where a row says it was verified without the sentence that was read, where a sentence does not
    /// have the digest it names, where two rows have one id, or a number is out of any reason.
    pub fn parse(bytes: &[u8]) -> Result<RulePack, PackError> {
        let wire: Wire = read_toml(bytes)?;
        let digest = Digest::of(bytes);
        let pack_label = label(&wire.name, &digest);
        let mut pack = RulePack {
            name: wire.name,
            version: wire.version,
            region: wire.region,
            digest,
            deadlines: BTreeMap::new(),
            limits: BTreeMap::new(),
            office: wire.office,
            minimum_wages: wire.minimum_wages,
            posting_rules: Vec::new(),
            posting_fields: BTreeMap::new(),
        };
        for row in wire.deadlines {
            row.check()?;
            let id = row.id.clone();
            unique(pack.deadlines.insert(id, DeadlineRow { pack: pack_label.clone(), ..row }), |row| {
                &row.id
            })?;
        }
        for row in wire.limits {
            row.basis.check(row.id.name())?;
            unique(pack.limits.insert(row.id, row), |row| row.id.name())?;
        }
        for row in &pack.minimum_wages {
            row.basis.check("minimum_wage")?;
        }
        if let Some(office) = &pack.office {
            office.check()?;
        }
        let mut ids = BTreeSet::new();
        for row in wire.posting_rules {
            row.check()?;
            if !ids.insert(row.id.clone()) {
                return Err(PackError::row(&row.id, "two rows have this id"));
            }
            pack.posting_rules.push(row);
        }
        for row in wire.posting_fields {
            row.basis.check(row.check.name())?;
            unique(pack.posting_fields.insert(row.check, row), |row| row.check.name())?;
        }
        Ok(pack)
    }

    /// `name@digest8`, as traces and envelopes name it.
    pub fn label(&self) -> String {
        label(&self.name, &self.digest)
    }
}

fn unique<T>(replaced: Option<T>, id: impl Fn(&T) -> &str) -> Result<(), PackError> {
    match replaced {
        Some(row) => Err(PackError::row(id(&row), "two rows have this id")),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    name: String,
    version: String,
    region: Option<Region>,
    office: Option<Office>,
    #[serde(default, rename = "deadline")]
    deadlines: Vec<DeadlineRow>,
    #[serde(default, rename = "limit")]
    limits: Vec<Limit>,
    #[serde(default, rename = "minimum_wage")]
    minimum_wages: Vec<MinimumWage>,
    #[serde(default, rename = "posting_rule")]
    posting_rules: Vec<PostingRule>,
    #[serde(default, rename = "posting_field")]
    posting_fields: Vec<PostingField>,
}

/// How sure we are of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Confidence {
    /// Read in the text of the statute.
    V,
    /// Seen in a secondary page.
    S,
    /// From memory, or the office's own.
    M,
}

/// Where a row comes from, and whether somebody read it there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// The article.
    pub citation: String,
    /// How sure we are.
    pub conf: Confidence,
    /// Whether it was read against the text of the article; without this it has no legal effect.
    pub verified: bool,
    /// The text that was read, or why none was.
    pub source: String,
    /// The sentence that was read.
    pub quote: Option<String>,
    /// SHA-256 of `quote`, in hexadecimal.
    pub quoted_text_sha256: Option<String>,
    /// Who read it.
    pub verified_by: Option<String>,
    /// When.
    pub verified_at: Option<Date>,
    /// What a reader should know.
    pub note: Option<String>,
}

impl Basis {
    fn check(&self, id: &str) -> Result<(), PackError> {
        if let (Some(quote), Some(named)) = (&self.quote, &self.quoted_text_sha256)
            && Digest::of(quote.as_bytes()).to_string() != format!("sha256:{named}")
        {
            return Err(PackError::row(id, "the quoted sentence does not have the digest it names"));
        }
        let read = self.conf == Confidence::V
            && self.quote.as_ref().is_some_and(|quote| !quote.is_empty())
            && self.quoted_text_sha256.is_some()
            && self.verified_by.is_some()
            && self.verified_at.is_some();
        if self.verified && !read {
            return Err(PackError::row(id, "verified without the sentence, its digest, a reader and a date"));
        }
        Ok(())
    }
}

/// How a length of time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// 工作日.
    Wd,
    /// 自然日.
    Nd,
    /// 日, where the text says no more; counted as natural days.
    D,
    /// 月: to the corresponding day, or the month's last.
    M,
    /// 年: to the corresponding day, or the month's last.
    Y,
    /// 小时: from the instant itself.
    H,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Wd => "wd",
            Unit::Nd => "nd",
            Unit::D => "d",
            Unit::M => "m",
            Unit::Y => "y",
            Unit::H => "h",
        })
    }
}

/// What happens to a last day on which nobody works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Roll {
    /// To the first working day after it (民法典 203).
    Forward,
    /// To the last working day before it: who must pay, pays before (条例 14).
    Backward,
    /// It stays.
    None,
}

/// By how much a deadline may be prolonged, and who approves it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// How long.
    pub length: u16,
    /// Counted how.
    pub unit: Unit,
    /// Who approves.
    pub by: String,
}

/// A statutory period.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadlineRow {
    /// `arb.award`.
    pub id: String,
    /// What it counts from, in words; several are separated by `|`.
    pub trigger: String,
    /// How long; negative counts back from the trigger.
    pub length: i32,
    /// Counted how.
    pub unit: Unit,
    /// What happens to a last day on which nobody works.
    pub roll: Roll,
    /// By how much it may be prolonged.
    pub extension: Option<Extension>,
    /// Where it comes from.
    pub basis: Basis,
    /// `name@digest8` of its pack; filled in when the pack is read.
    #[serde(skip)]
    pub pack: String,
}

impl DeadlineRow {
    fn check(&self) -> Result<(), PackError> {
        self.basis.check(&self.id)?;
        let most: u32 = match self.unit {
            Unit::Wd | Unit::Nd | Unit::D => 3660,
            Unit::H => 24 * 366,
            Unit::M => 240,
            Unit::Y => 30,
        };
        let backward_by_days = self.length >= 0 || matches!(self.unit, Unit::Wd | Unit::Nd | Unit::D);
        let extends_by_days = self
            .extension
            .as_ref()
            .is_none_or(|extension| extension.unit != Unit::H && self.unit != Unit::H && self.length >= 0);
        if self.length.unsigned_abs() > most || !backward_by_days || !extends_by_days {
            return Err(PackError::row(&self.id, "a length that cannot be counted"));
        }
        Ok(())
    }
}

/// Declares the ids that code asks for, each with its name in the pack.
macro_rules! ids {
    ($(#[$doc:meta])* $Name:ident { $($(#[$variant_doc:meta])* $Variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        pub enum $Name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $Variant),*
        }

        impl $Name {
            /// Every one of them.
            pub const ALL: &'static [$Name] = &[$($Name::$Variant),*];

            /// Its name in a pack.
            pub fn name(self) -> &'static str {
                match self { $($Name::$Variant => $text),* }
            }
        }
    };
}

ids! {
    /// A number of the law that code asks for.
    LimitId {
        /// The least age to work at.
        WorkingAge = "age.working",
        /// 未成年工 below it.
        AdultAge = "age.adult",
        /// 非全日制: hours a day, on average.
        PartTimePerDay = "part_time.per_day",
        /// 非全日制: hours a week.
        PartTimePerWeek = "part_time.per_week",
        /// 非全日制: days of a settlement period.
        PartTimeSettlement = "part_time.settlement",
        /// One-off work: days after completion.
        PayOnCompletion = "pay.on_completion",
        /// Damages: percent of a month's pay.
        Deduction = "pay.deduction",
        /// Standard hours of a day.
        HoursPerDay = "hours.per_day",
        /// Overtime hours of a month.
        OvertimePerMonth = "hours.overtime_per_month",
        /// From how many people on representatives may be chosen.
        GroupPeople = "group.people",
        /// 一裁终局: how many monthly minimum wages.
        FinalAwardMonths = "award.final_months",
        /// 加付赔偿金: least percent.
        SurchargeLeast = "surcharge.least",
        /// 加付赔偿金: most percent.
        SurchargeMost = "surcharge.most",
        /// Inspectors at one inspection.
        Inspectors = "supervision.inspectors",
        /// Years a payroll ledger is kept.
        KeepPayroll = "keep.payroll",
        /// Years a service ledger is kept.
        KeepService = "keep.service",
        /// Years the file of an award is kept.
        KeepAwardFile = "keep.award_file",
        /// Years other files are kept.
        KeepOtherFile = "keep.other_file",
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// Years.
    Y,
    /// Months.
    M,
    /// Days.
    D,
    /// Hours.
    H,
    /// Percent.
    Percent,
    /// People.
    People,
}

/// A number of the law.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Which.
    pub id: LimitId,
    /// How many.
    pub value: u32,
    /// Of what.
    pub unit: LimitUnit,
    /// Where it comes from.
    pub basis: Basis,
}

impl Limit {
    /// The number, where it was verified; what is only shown may read `value`.
    pub fn legal(&self) -> Option<u32> {
        self.basis.verified.then_some(self.value)
    }
}

/// The office's own numbers: chosen, not law.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Office {
    /// Minutes until an offer lapses.
    pub offer_expiry_minutes: u32,
    /// Days after the end of a shift until unasserted work is presumed done and its pay due …
    pub presumed_due_after_days: u8,
    /// … at this minute of the day.
    pub presumed_due_minute: u16,
    /// Two sides whose times of work differ by no more minutes than this do not contradict each other.
    pub attendance_tolerance_minutes: u16,
    /// How many days before a deadline people are warned, the farthest first.
    pub near_deadline_days: Vec<u16>,
    /// Minutes before a shift at which missing cover is an alarm.
    pub insurance_gap_lead_minutes: u32,
    /// Pay due more days than this after the work goes to review.
    pub pay_deferral_review_days: u16,
    /// A shift longer than this goes to review.
    pub long_shift_review_minutes: u16,
    /// Night begins at this minute of the day …
    pub night_from_minute: u16,
    /// … and ends at this one.
    pub night_to_minute: u16,
    /// Minutes between two shifts of one person, for the way.
    pub travel_minutes: u16,
    /// The most bytes of one piece of evidence.
    pub evidence_max_bytes: u64,
    /// The most pieces for one claim.
    pub evidence_max_per_claim: u32,
    /// The media types that are taken.
    pub evidence_types: Vec<String>,
}

impl Office {
    fn check(&self) -> Result<(), PackError> {
        let minutes = [self.presumed_due_minute, self.night_from_minute, self.night_to_minute];
        let falling = self.near_deadline_days.is_sorted_by(|a, b| a > b);
        if minutes.iter().any(|minute| *minute >= 1440) || !falling || self.offer_expiry_minutes == 0 {
            return Err(PackError::row(
                "office",
                "a minute beyond the day, warnings out of order, or no time",
            ));
        }
        Ok(())
    }
}

/// A minimum wage of a division from a date on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinimumWage {
    /// Where.
    pub region: Region,
    /// From when.
    pub from: Date,
    /// Per month, in fen.
    #[serde(rename = "monthly_fen")]
    pub monthly: Fen,
    /// Per hour of 非全日制 work, in fen.
    #[serde(rename = "hourly_fen")]
    pub hourly: Fen,
    /// Where it comes from; a floor that was not verified is a hint, never a reason to refuse.
    pub basis: Basis,
}

/// What a posting rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A person must look at it before it is shown.
    Review,
    /// It is not shown; a corrected text is offered.
    Block,
}

/// Words that a posting must not or may not without a look contain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostingRule {
    /// `sex.limit`.
    pub id: String,
    /// What it does.
    pub action: Action,
    /// What it does where the employer is a household, which is no 用人单位; as `action` if absent.
    pub household: Option<Action>,
    /// The words, compared letter by letter after folding width, case, spaces and punctuation.
    pub patterns: Vec<String>,
    /// Words that contain one of `patterns` and are harmless.
    #[serde(default)]
    pub except: Vec<String>,
    /// Words anywhere in the text that turn `block` into `review`, because an exception of the law may apply.
    #[serde(default)]
    pub review_if: Vec<String>,
    /// Trades to which the rule does not apply.
    #[serde(default)]
    pub allowed_occupations: Vec<Occupation>,
    /// What stands in a corrected text instead; empty removes.
    pub correction: String,
    /// Where it comes from.
    pub basis: Basis,
}

impl PostingRule {
    fn check(&self) -> Result<(), PackError> {
        self.basis.check(&self.id)?;
        let words = self.patterns.iter().chain(&self.except).chain(&self.review_if);
        if self.patterns.is_empty() || words.into_iter().any(|word| !word.chars().any(char::is_alphanumeric))
        {
            return Err(PackError::row(&self.id, "a rule without words, or a word without letters"));
        }
        Ok(())
    }
}

ids! {
    /// A check of a posting's fields.
    FieldCheck {
        /// No word about the work.
        TextMissing = "text_missing",
        /// No pay.
        PayMissing = "pay_missing",
        /// No places.
        HeadcountMissing = "headcount_missing",
        /// No shifts.
        ShiftsMissing = "shifts_missing",
        /// Hourly pay under the minimum.
        PayUnderFloor = "pay_under_floor",
        /// Pay due later than the settlement period.
        PayLate = "pay_late",
        /// Pay due some days after completion.
        PayDeferred = "pay_deferred",
        /// An employer without a licence.
        EmployerUnlicensed = "employer_unlicensed",
        /// A foreman without qualification.
        EmployerForeman = "employer_foreman",
        /// Work at night.
        NightWork = "night_work",
        /// A long shift.
        LongShift = "long_shift",
    }
}

/// What a check of a field does; a check without a row is not made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostingField {
    /// Which.
    pub check: FieldCheck,
    /// What it does.
    pub action: Action,
    /// Where it comes from.
    pub basis: Basis,
}

/// 撮合评分办法: how candidates are weighed. Nothing in it can name who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPack {
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its weights.
    pub weights: Weights,
}

/// The weights and caps of matching.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    name: String,
    /// Its version, for people.
    pub version: u32,
    /// Whether pay below somebody's expectation excludes; pay counts in no other way.
    pub pay_must_meet_expectation: bool,
    /// As of how many hires a newcomer's reliability counts beside somebody's own.
    pub reliability_hires: u16,
    /// The percentage of reliability of somebody without hires.
    pub reliability_of_newcomers: u8,
    /// How many minutes before its start work becomes urgent.
    pub urgency_horizon_minutes: u32,
    /// Metres nearer than somebody's reach.
    pub distance: Term,
    /// Levels above the level asked for.
    pub skill: Term,
    /// Percent of hires that were kept.
    pub reliability: Term,
    /// Minutes waited since arrival.
    pub waiting: Term,
    /// Times that the two worked together well.
    pub cooperation: Term,
    /// Minutes nearer than the horizon; orders postings, not people.
    pub urgency: Term,
}

/// One term of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Points …
    pub weight: u32,
    /// … per so many.
    pub per: u32,
    /// At most.
    pub cap: u32,
}

impl Term {
    /// The points of `amount`: `weight × amount ÷ per` without the rest, within 0 and the cap.
    pub fn points(self, amount: i64) -> i64 {
        let amount = i128::from(amount.max(0));
        let points = i128::from(self.weight) * amount / i128::from(self.per.max(1));
        i64::try_from(points.min(i128::from(self.cap))).unwrap_or(i64::from(self.cap))
    }
}

impl PolicyPack {
    /// The policy written in `bytes` (TOML).
    pub fn parse(bytes: &[u8]) -> Result<PolicyPack, PackError> {
        let weights: Weights = read_toml(bytes)?;
        let terms = [
            weights.distance,
            weights.skill,
            weights.reliability,
            weights.waiting,
            weights.cooperation,
            weights.urgency,
        ];
        if terms.iter().any(|term| term.per == 0) || weights.reliability_of_newcomers > 100 {
            return Err(PackError::row(&weights.name, "points per nothing, or more than 100 percent"));
        }
        Ok(PolicyPack { name: weights.name.clone(), digest: Digest::of(bytes), weights })
    }

    /// `name@digest8`, as traces and envelopes name it.
    pub fn label(&self) -> String {
        label(&self.name, &self.digest)
    }
}

/// A pack that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackError {
    /// Not UTF-8.
    #[error("a rule pack is UTF-8 text")]
    NotText,
    /// Not TOML of this form.
    #[error("cannot read rule pack")]
    Form(#[source] Box<toml::de::Error>),
    /// A row contradicts itself.
    #[error("row `{row}`: {problem}")]
    Row {
        /// Its id.
        row: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl PackError {
    pub(crate) fn row(row: impl fmt::Display, problem: &'static str) -> PackError {
        PackError::Row { row: row.to_string(), problem }
    }
}

pub(crate) fn read_toml<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PackError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PackError::NotText)?;
    toml::from_str(text).map_err(|error| PackError::Form(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn bases(pack: &RulePack) -> Vec<(&str, &Basis)> {
        let deadlines = pack.deadlines.values().map(|row| (row.id.as_str(), &row.basis));
        let limits = pack.limits.values().map(|row| (row.id.name(), &row.basis));
        let wages = pack.minimum_wages.iter().map(|row| ("minimum_wage", &row.basis));
        let words = pack.posting_rules.iter().map(|row| (row.id.as_str(), &row.basis));
        let fields = pack.posting_fields.values().map(|row| (row.check.name(), &row.basis));
        deadlines.chain(limits).chain(wages).chain(words).chain(fields).collect()
    }

    #[test]
    fn the_shipped_packs_make_a_whole_book() {
        let book = RuleBook::shipped().unwrap();
        assert_eq!(book.missing(), [""; 0]);
        let names = book.names();
        assert_eq!(names.len(), DEFAULT_PACKS.len());
        for ((name, kind, text), pack) in DEFAULT_PACKS.iter().zip(default_packs().unwrap()) {
            assert_eq!(
                (pack.name(), pack.kind()),
                (*name, *kind),
                "its own name and the name it is shipped under"
            );
            assert_eq!(pack.digest(), Digest::of(text.as_bytes()));
            assert!(names.contains(&pack.label()), "{names:?}");
            assert_eq!(pack.label().len(), name.len() + 1 + 8);
        }
    }

    /// The quotes are what makes a row law: each must still be the sentence that was read.
    #[test]
    fn every_verified_row_quotes_a_sentence_with_its_digest() {
        let mut verified = 0;
        for pack in RuleBook::shipped().unwrap().statutes() {
            for (id, basis) in bases(pack).into_iter().filter(|(_, basis)| basis.verified) {
                let quote = basis.quote.as_deref().unwrap_or_default();
                let digest = Digest::of(quote.as_bytes()).to_string();
                let named = basis.quoted_text_sha256.as_deref().unwrap_or_default();
                assert_eq!(digest, format!("sha256:{named}"), "{id}");
                verified += 1;
            }
        }
        assert!(verified > 60, "{verified}");
    }

    #[test]
    fn every_quote_stands_in_the_statute_it_names() {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let folders = ["../../shared/data/statutes", "../../../shared/data/statutes"];
        let Some(folder) = folders.iter().map(|it| here.join(it)).find(|it| it.is_dir()) else {
            eprintln!("SKIPPED: the texts of the statutes are not here; quotes were not compared with them");
            return;
        };
        for pack in RuleBook::shipped().unwrap().statutes() {
            for (id, basis) in bases(pack).into_iter().filter(|(_, basis)| basis.verified) {
                let title = basis.source.split(" (").next().unwrap();
                let text = std::fs::read_to_string(folder.join(format!("{title}.md"))).unwrap();
                assert!(text.contains(basis.quote.as_deref().unwrap()), "{id}: not in {title}");
            }
        }
    }

    #[test]
    fn what_was_seen_second_hand_or_remembered_is_never_verified() {
        for pack in RuleBook::shipped().unwrap().statutes() {
            for (id, basis) in bases(pack) {
                assert!(!basis.verified || basis.conf == Confidence::V, "{id}");
            }
        }
        let book = RuleBook::shipped().unwrap();
        assert_eq!(book.limit(LimitId::KeepAwardFile).unwrap().legal(), None, "办案规则 24 was not read");
        assert_eq!(book.limit(LimitId::WorkingAge).unwrap().legal(), Some(16));
    }

    fn pack(name: &str, rows: &str) -> Result<RulePack, PackError> {
        RulePack::parse(format!("name = \"{name}\"\nversion = \"1\"\n{rows}").as_bytes())
    }

    fn deadline_toml(length: i32, unit: &str, basis: &str) -> String {
        format!(
            "[[deadline]]\nid = \"a.b\"\ntrigger = \"T\"\nlength = {length}\nunit = \"{unit}\"\nroll = \"none\"\n\
             [deadline.basis]\ncitation = \"c\"\nsource = \"s\"\n{basis}\n"
        )
    }

    const UNREAD: &str = "conf = \"M\"\nverified = false";

    #[test]
    fn a_row_that_claims_to_be_read_must_show_what_was_read() {
        let refused = |basis: &str| pack("p", &deadline_toml(5, "wd", basis)).is_err();
        assert!(!refused(UNREAD));
        assert!(refused("conf = \"V\"\nverified = true"), "no sentence");
        let digest = Digest::of("五日".as_bytes()).to_string().replace("sha256:", "");
        let read = |quote: &str, conf: &str| {
            format!(
                "conf = \"{conf}\"\nverified = true\nquote = \"{quote}\"\nquoted_text_sha256 = \"{digest}\"\n\
                 verified_by = \"me\"\nverified_at = \"2026-11-22\""
            )
        };
        assert!(!refused(&read("五日", "V")));
        assert!(refused(&read("十日", "V")), "another sentence than the one that was read");
        assert!(refused(&read("五日", "M")), "read, but from memory");
    }

    #[test]
    fn a_pack_with_a_misspelt_word_or_an_absurd_number_is_refused() {
        let ok = deadline_toml(5, "wd", UNREAD);
        assert!(pack("p", &ok).is_ok());
        assert!(pack("p", &ok.replace("roll", "rol")).is_err());
        assert!(pack("p", &ok.replace("\"none\"", "\"forwards\"")).is_err());
        assert!(pack("p", &format!("{ok}{ok}")).is_err(), "two rows of one id");
        assert!(pack("p", &deadline_toml(5000, "wd", UNREAD)).is_err());
        assert!(pack("p", &deadline_toml(-1, "y", UNREAD)).is_err(), "years are not counted backward");
        assert!(matches!(RulePack::parse(b"\xff"), Err(PackError::NotText)));
        let error = pack("p", "[[limit]]\nid = \"no.such\"").unwrap_err();
        assert_eq!(error.to_string(), "cannot read rule pack");
    }

    #[test]
    fn a_pack_whose_name_an_envelope_could_not_tell_from_two_is_refused() {
        let named = |name: &str| {
            let text = format!("name = \"{name}\"\nversion = \"1\"\n");
            Pack::parse(PackKind::Statutes, text.as_bytes())
        };
        assert!(named("cn-37").is_ok());
        assert!(named("").is_err() && named("cn 37").is_err());
    }

    #[test]
    fn a_provinces_row_goes_before_the_nations_even_when_the_nations_is_renewed() {
        let adopted = |name: &str, length| {
            Arc::new(Pack::Statutes(pack(name, &deadline_toml(length, "wd", UNREAD)).unwrap()))
        };
        let length = |packs: Vec<Arc<Pack>>| RuleBook::new(packs).deadline_row("a.b").unwrap().length;
        assert_eq!(length(vec![adopted("cn", 5)]), 5);
        assert_eq!(length(vec![adopted("cn", 5), adopted("cn", 6)]), 6, "the last adopted of one name");
        assert_eq!(length(vec![adopted("cn", 5), adopted("cn-37", 7)]), 7);
        let renewed = vec![adopted("cn", 5), adopted("cn-37", 7), adopted("cn", 6)];
        assert_eq!(length(renewed.clone()), 7);
        assert_eq!(RuleBook::new(renewed).names().len(), 2, "an old pack is not in force");
    }

    #[test]
    fn an_empty_book_names_what_it_lacks() {
        let missing = RuleBook::default().missing();
        assert!(missing.contains(&"limit age.working".to_owned()) && missing.len() == LimitId::ALL.len() + 2);
    }

    #[test]
    fn the_minimum_wage_is_that_of_the_place_and_the_date() {
        let row = |region: &str, from: &str, hourly: i64| {
            format!(
                "[[minimum_wage]]\nregion = \"{region}\"\nfrom = \"{from}\"\nmonthly_fen = 1\nhourly_fen = {hourly}\n\
                 [minimum_wage.basis]\ncitation = \"c\"\nsource = \"s\"\n{UNREAD}\n"
            )
        };
        let rows = row("370000", "2023-10-01", 18)
            + &row("370100", "2023-10-01", 20)
            + &row("370102", "2025-10-01", 22)
            + &row("370102", "2023-10-01", 21);
        let book = RuleBook::new([Arc::new(Pack::Statutes(pack("p", &rows).unwrap()))]);
        let hourly = |region: &str, date: &str| {
            let wage = book.minimum_wage(region.parse().unwrap(), date.parse().unwrap());
            wage.map(|row| row.hourly.0)
        };
        assert_eq!(hourly("370102", "2025-09-30"), Some(21));
        assert_eq!(hourly("370102", "2025-10-01"), Some(22), "it rises during the work");
        assert_eq!(hourly("370103", "2025-10-01"), Some(20));
        assert_eq!(hourly("371302", "2025-10-01"), Some(18));
        assert_eq!(hourly("371302", "2023-09-30"), None);
        assert_eq!(hourly("320102", "2025-10-01"), None);
    }

    #[test]
    fn points_are_whole_capped_and_never_negative() {
        let term = Term { weight: 2, per: 100, cap: 200 };
        let points = [(-5, 0), (0, 0), (49, 0), (50, 1), (9_999, 199), (10_000, 200), (i64::MAX, 200)];
        for (amount, expected) in points {
            assert_eq!(term.points(amount), expected, "{amount}");
        }
    }

    /// A policy that could weigh who somebody is would be refused when it is read.
    #[test]
    fn a_policy_knows_no_other_terms() {
        let (_, _, text) = DEFAULT_PACKS.iter().find(|(_, kind, _)| *kind == PackKind::Policy).unwrap();
        assert!(PolicyPack::parse(text.as_bytes()).is_ok());
        let with_age = format!("{text}\n[age]\nweight = 1\nper = 1\ncap = 1\n");
        assert!(PolicyPack::parse(with_age.as_bytes()).is_err());
    }
}
