//! Who may read what: role × view, and role × event. What is not named here is denied.

use linggong_engine::command::Actor;
use linggong_events::envelope::Meta;
use linggong_events::id::{EntityRef, Kind};
use linggong_events::office::Role;

/// What can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// 到场 board and queue of a market.
    Board,
    /// Open postings and one posting.
    Postings,
    /// Postings under review.
    Review,
    /// 招工用工登记台账.
    Hires,
    /// Wages of single hires.
    Wages,
    /// Sums of arrears.
    Arrears,
    /// Cover and gaps.
    Insurances,
    /// Claims and cases.
    Cases,
    /// Workers and employers of the register.
    Directory,
    /// Why somebody was or was not proposed.
    Explain,
    /// Sealed fields of people, with a purpose.
    Sealed,
    /// Who opened what.
    AccessLog,
    /// Grants in force.
    Staff,
    /// Views, packs and the log's head, for operators.
    Operation,
}

impl Resource {
    /// Every resource.
    pub const ALL: &'static [Resource] = &[
        Resource::Board,
        Resource::Postings,
        Resource::Review,
        Resource::Hires,
        Resource::Wages,
        Resource::Arrears,
        Resource::Insurances,
        Resource::Cases,
        Resource::Directory,
        Resource::Explain,
        Resource::Sealed,
        Resource::AccessLog,
        Resource::Staff,
        Resource::Operation,
    ];
}

/// How much of a resource somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing: as if it were not there.
    Nothing,
    /// What is about the worker or employer they are or act for.
    Own,
    /// Everything within their regions.
    Regions,
}

/// How much of `resource` a role sees.
pub fn reach(role: Role, resource: Resource) -> Reach {
    use Reach::{Nothing, Own, Regions};
    use Resource as R;
    match (role, resource) {
        (Role::Auditor, R::Sealed) => Nothing,
        (Role::Auditor, _) => Regions,

        // Work offered is public to whoever has a credential.
        (Role::Engine, _) => Nothing,
        (_, R::Postings) => Regions,

        (Role::Worker, R::Hires | R::Wages | R::Insurances | R::Cases | R::Directory | R::Explain) => Own,
        (Role::Employer, R::Hires | R::Wages | R::Insurances | R::Directory) => Own,
        (Role::CrewLeader, R::Board) => Regions,

        (
            Role::Clerk | Role::Dispatcher | Role::MarketManager,
            R::Board
            | R::Review
            | R::Hires
            | R::Wages
            | R::Arrears
            | R::Insurances
            | R::Directory
            | R::Explain
            | R::Sealed,
        ) => Regions,
        (Role::Clerk, R::Cases) => Regions,
        (Role::Reviewer, R::Review | R::Directory) => Regions,
        (Role::Insurer, R::Insurances) => Regions,
        (
            Role::CaseOfficer | Role::CaseLead | Role::Mediator,
            R::Hires | R::Wages | R::Arrears | R::Insurances | R::Cases | R::Directory | R::Sealed,
        ) => Regions,
        (Role::CaseLead, R::Staff | R::Explain) => Regions,
        (Role::PrivacyOfficer, R::AccessLog | R::Sealed | R::Directory | R::Staff) => Regions,
        (Role::Keeper, R::Operation | R::Staff) => Regions,

        (
            Role::Worker
            | Role::Employer
            | Role::CrewLeader
            | Role::Clerk
            | Role::Dispatcher
            | Role::Reviewer
            | Role::MarketManager
            | Role::Gate
            | Role::Insurer
            | Role::CaseOfficer
            | Role::CaseLead
            | Role::Mediator
            | Role::PrivacyOfficer
            | Role::Keeper
            | Role::Subscriber,
            _,
        ) => Nothing,
    }
}

/// Whether `actor` may see an event: its audience admits their department, or their role works with its kind.
pub fn may_see(actor: &Actor, meta: &Meta) -> bool {
    if meta.audience.as_str() == "open" {
        return true;
    }
    let in_regions = actor.regions.iter().any(|it| it.covers(meta.region));
    match actor.role {
        Role::Auditor => in_regions,
        Role::Subscriber => in_regions && meta.audience.admits(actor.department),
        Role::Worker => own(meta, actor.worker.map(EntityRef::from)) && !is_inner(meta.subject.kind),
        Role::Employer => {
            own(meta, actor.employer.map(EntityRef::from)) && is_between_sides(meta.subject.kind)
        }
        Role::Engine
        | Role::CrewLeader
        | Role::Clerk
        | Role::Dispatcher
        | Role::Reviewer
        | Role::MarketManager
        | Role::Gate
        | Role::Insurer
        | Role::CaseOfficer
        | Role::CaseLead
        | Role::Mediator
        | Role::PrivacyOfficer
        | Role::Keeper => in_regions && works_with(actor.role, meta.subject.kind),
    }
}

fn own(meta: &Meta, entity: Option<EntityRef>) -> bool {
    entity.is_some_and(|entity| meta.touches.contains(&entity))
}

/// What a person never sees of themself by the event pages: reasons about others, records, staff.
fn is_inner(kind: Kind) -> bool {
    match kind {
        Kind::Match | Kind::Person | Kind::Office | Kind::Rules => true,
        Kind::Market
        | Kind::Worker
        | Kind::Employer
        | Kind::Posting
        | Kind::Offer
        | Kind::Hire
        | Kind::Attendance
        | Kind::Wage
        | Kind::Insurance
        | Kind::Claim
        | Kind::Case => false,
    }
}

/// What an employer sees of the hires they have: never who complained, before the office tells them.
fn is_between_sides(kind: Kind) -> bool {
    match kind {
        Kind::Employer
        | Kind::Posting
        | Kind::Offer
        | Kind::Hire
        | Kind::Attendance
        | Kind::Wage
        | Kind::Insurance => true,
        Kind::Market
        | Kind::Office
        | Kind::Person
        | Kind::Worker
        | Kind::Match
        | Kind::Claim
        | Kind::Case
        | Kind::Rules => false,
    }
}

fn works_with(role: Role, kind: Kind) -> bool {
    use Kind as K;
    match role {
        Role::Clerk | Role::Dispatcher | Role::MarketManager => match kind {
            K::Market | K::Worker | K::Employer | K::Posting | K::Offer | K::Match => true,
            K::Hire | K::Attendance | K::Wage | K::Insurance => true,
            K::Claim => role == Role::Clerk,
            K::Office | K::Person | K::Case | K::Rules => false,
        },
        Role::Reviewer => matches!(kind, K::Posting | K::Employer),
        Role::Insurer => matches!(kind, K::Insurance),
        Role::CaseOfficer | Role::CaseLead | Role::Mediator => match kind {
            K::Claim | K::Case | K::Wage | K::Hire | K::Attendance | K::Insurance => true,
            K::Employer | K::Worker | K::Posting | K::Offer => true,
            K::Market | K::Office | K::Person | K::Match | K::Rules => false,
        },
        Role::PrivacyOfficer => matches!(kind, K::Person | K::Office),
        Role::Keeper => matches!(kind, K::Office | K::Rules | K::Market),
        Role::Engine
        | Role::Worker
        | Role::Employer
        | Role::CrewLeader
        | Role::Gate
        | Role::Auditor
        | Role::Subscriber => false,
    }
}
