//! Who may read what: role × view, and role × event. What is not named here is denied.

use linggong_engine::command::Actor;
use linggong_events::audience;
use linggong_events::claim::ClaimEvent;
use linggong_events::envelope::{Outline, Recorded, Subject};
use linggong_events::event::Event;
use linggong_events::id::{EmployerId, EntityRef, Kind, MarketId, WorkerId};
use linggong_events::insurance::InsuranceEvent;
use linggong_events::office::Role;
use linggong_events::region::Region;

use crate::vault::PurposeKind;

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
    /// Changing those: storing a pack, building a view anew.
    Control,
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
        Resource::Control,
    ];
}

/// How much of a resource somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing: as if it were not there.
    Nothing,
    /// What is about the worker or employer they are or act for.
    Own,
    /// The covers that the insurer they act for was asked for, within their regions.
    Insured,
    /// Everything within their regions.
    Regions,
    /// Everything: it is public to whoever has a credential.
    All,
}

/// Whom an actor of [`Reach::Own`] is, or acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The worker they are.
    Worker(WorkerId),
    /// The employer they act for.
    Employer(EmployerId),
}

impl Own {
    /// The one that the actor's role is bound to; what else a grant may name does not count.
    pub fn of(actor: &Actor) -> Option<Own> {
        match actor.role {
            Role::Worker => actor.worker.map(Own::Worker),
            Role::Employer => actor.employer.map(Own::Employer),
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
            | Role::Auditor
            | Role::PrivacyOfficer
            | Role::Keeper
            | Role::Subscriber => None,
        }
    }

    /// Whether a role sees things as the one whom they are about.
    fn is_how(role: Role) -> bool {
        matches!(role, Role::Worker | Role::Employer)
    }

    /// As an entity of events.
    pub fn entity(self) -> EntityRef {
        match self {
            Own::Worker(worker) => worker.into(),
            Own::Employer(employer) => employer.into(),
        }
    }
}

/// Whether something of `region` lies within the regions of the actor.
pub fn covers(actor: &Actor, region: Region) -> bool {
    actor.regions.iter().any(|it| it.covers(region))
}

/// Whether the actor may look at this market; who serves one market sees no other.
pub fn serves(actor: &Actor, market: MarketId) -> bool {
    actor.market.is_none_or(|it| it == market)
}

/// Members of a resource's rows that a role never sees, although it sees the rows; `a.b` is the member `b` of `a`, or
/// of each of its items.
pub fn hidden(role: Role, resource: Resource) -> &'static [&'static str] {
    use Resource as R;
    match role {
        Role::Employer => match resource {
            // Who complained, and what a worker told the office, is not for the employer; nor is the row's last
            // position, which a claim moves on.
            R::Wages => &["claims", "position"],
            R::Hires => &["follow_ups"],
            R::Board | R::Postings | R::Review | R::Arrears | R::Insurances | R::Cases | R::Directory => &[],
            R::Explain | R::Sealed | R::AccessLog | R::Staff | R::Operation | R::Control => &[],
        },
        Role::Worker => match resource {
            // A party reads the 正卷: who in the office proposed, approved and handled what stands in the 副卷.
            R::Cases => &[
                "proposal",
                "officer",
                "corrections",
                "linked",
                "duplicates_suspected",
                "deadlines.approved_by",
                "case.proposal",
                "case.officer",
                "case.corrections",
                "case.deadlines.approved_by",
                "claim.linked",
                "claim.duplicates_suspected",
                "claims.linked",
                "claims.duplicates_suspected",
                "steps.actor",
                "steps.causation",
                "steps.corrected_by",
                "steps.source_doc",
                "steps.data.proposed_by",
            ],
            R::Board | R::Postings | R::Review | R::Hires | R::Wages | R::Arrears | R::Insurances => &[],
            R::Directory | R::Explain | R::Sealed | R::AccessLog | R::Staff => &[],
            R::Operation | R::Control => &[],
        },
        Role::Insurer => match resource {
            // Whether others cover the same hire, and when nobody does, is no matter of this insurer's.
            R::Insurances => &["decision", "standing", "gaps", "injuries.covered"],
            R::Board
            | R::Postings
            | R::Review
            | R::Hires
            | R::Wages
            | R::Arrears
            | R::Cases
            | R::Directory => &[],
            R::Explain | R::Sealed | R::AccessLog | R::Staff | R::Operation | R::Control => &[],
        },
        Role::Engine
        | Role::CrewLeader
        | Role::Clerk
        | Role::Dispatcher
        | Role::Reviewer
        | Role::MarketManager
        | Role::Gate
        | Role::CaseOfficer
        | Role::CaseLead
        | Role::Mediator
        | Role::Auditor
        | Role::PrivacyOfficer
        | Role::Keeper
        | Role::Subscriber => &[],
    }
}

/// Whether a role sees, in the history of a claim or case, the step of the type `name`, such as `case.accepted.v1`:
/// a party those of the 正卷 only, and none that this software does not know.
pub fn sees_step(role: Role, name: &str) -> bool {
    let is_party = Own::is_how(role);
    let name = name.rsplit_once(".v").map_or(name, |(name, _)| name);
    !is_party || name.starts_with("wage.") || OF_THE_FILE.contains(&name)
}

/// What a party of a case is told of it, by its receipt, by a document or by the terms it signed.
const OF_THE_FILE: &[&str] = &[
    "claim.registered",
    "claim.evidence_added",
    "claim.referred",
    "claim.unanswered",
    "claim.answer_recounted",
    "claim.amount_changed",
    "claim.withdrawn",
    "claim.closed",
    "claim.followed_up",
    "case.accepted",
    "case.refused",
    "case.supplement_asked",
    "case.supplemented",
    "case.directed_elsewhere",
    "case.filed",
    "case.document_issued",
    "case.deadline_lapsed",
    "case.mediated",
    "case.mediation_failed",
    "case.payment_seen",
    "case.closed",
    "case.reopened",
];

/// For which purposes a role may open sealed fields.
pub fn may_open(role: Role, purpose: PurposeKind) -> bool {
    use PurposeKind as P;
    match role {
        Role::Clerk => match purpose {
            P::DeskService | P::HireContact | P::WageFollowup | P::ClaimHandling => true,
            P::SafetyContact | P::DataSubjectRequest => true,
            P::CaseHandling | P::Audit | P::KeyDelivery => false,
        },
        Role::Dispatcher | Role::MarketManager => match purpose {
            P::DeskService | P::HireContact | P::WageFollowup | P::SafetyContact => true,
            P::ClaimHandling | P::CaseHandling | P::DataSubjectRequest => false,
            P::Audit | P::KeyDelivery => false,
        },
        Role::CaseOfficer | Role::CaseLead | Role::Mediator => match purpose {
            P::WageFollowup | P::ClaimHandling | P::CaseHandling | P::SafetyContact => true,
            P::DeskService | P::HireContact | P::DataSubjectRequest => false,
            P::Audit | P::KeyDelivery => false,
        },
        Role::PrivacyOfficer => match purpose {
            P::DataSubjectRequest | P::Audit => true,
            P::DeskService | P::HireContact | P::WageFollowup | P::ClaimHandling => false,
            P::CaseHandling | P::SafetyContact | P::KeyDelivery => false,
        },
        Role::Engine
        | Role::Worker
        | Role::Employer
        | Role::CrewLeader
        | Role::Reviewer
        | Role::Gate
        | Role::Insurer
        | Role::Auditor
        | Role::Keeper
        | Role::Subscriber => false,
    }
}

/// How much of `resource` a role sees.
pub fn reach(role: Role, resource: Resource) -> Reach {
    use Reach::{All, Insured, Nothing, Own, Regions};
    use Resource as R;
    // Work offered is public to whoever has a credential, like the events it comes from.
    match role {
        Role::Engine => Nothing,
        Role::Worker => match resource {
            R::Postings => All,
            R::Hires | R::Wages | R::Insurances | R::Cases | R::Directory | R::Explain => Own,
            R::Board | R::Review | R::Arrears | R::Sealed | R::AccessLog | R::Staff => Nothing,
            R::Operation | R::Control => Nothing,
        },
        Role::Employer => match resource {
            R::Postings => All,
            R::Hires | R::Wages | R::Insurances | R::Directory => Own,
            R::Board | R::Review | R::Arrears | R::Cases | R::Explain | R::Sealed => Nothing,
            R::AccessLog | R::Staff | R::Operation | R::Control => Nothing,
        },
        Role::CrewLeader => match resource {
            R::Postings => All,
            R::Board => Regions,
            R::Review | R::Hires | R::Wages | R::Arrears | R::Insurances | R::Cases => Nothing,
            R::Directory | R::Explain | R::Sealed | R::AccessLog | R::Staff => Nothing,
            R::Operation | R::Control => Nothing,
        },
        Role::Clerk => match resource {
            R::Postings => All,
            R::Board | R::Review | R::Hires | R::Wages | R::Arrears | R::Insurances => Regions,
            R::Cases | R::Directory | R::Explain | R::Sealed => Regions,
            R::AccessLog | R::Staff | R::Operation | R::Control => Nothing,
        },
        Role::Dispatcher | Role::MarketManager => match resource {
            R::Postings => All,
            R::Board | R::Review | R::Hires | R::Wages | R::Arrears | R::Insurances => Regions,
            R::Directory | R::Explain | R::Sealed => Regions,
            R::Cases | R::AccessLog | R::Staff | R::Operation | R::Control => Nothing,
        },
        Role::Reviewer => match resource {
            R::Postings => All,
            R::Review | R::Directory => Regions,
            R::Board | R::Hires | R::Wages | R::Arrears | R::Insurances | R::Cases => Nothing,
            R::Explain | R::Sealed | R::AccessLog | R::Staff | R::Operation | R::Control => Nothing,
        },
        Role::Insurer => match resource {
            R::Postings => All,
            R::Insurances => Insured,
            R::Board | R::Review | R::Hires | R::Wages | R::Arrears | R::Cases => Nothing,
            R::Directory | R::Explain | R::Sealed | R::AccessLog | R::Staff => Nothing,
            R::Operation | R::Control => Nothing,
        },
        Role::CaseOfficer | Role::Mediator => match resource {
            R::Postings => All,
            R::Hires | R::Wages | R::Arrears | R::Insurances | R::Cases | R::Directory => Regions,
            R::Sealed => Regions,
            R::Board | R::Review | R::Explain | R::AccessLog | R::Staff | R::Operation => Nothing,
            R::Control => Nothing,
        },
        Role::CaseLead => match resource {
            R::Postings => All,
            R::Hires | R::Wages | R::Arrears | R::Insurances | R::Cases | R::Directory => Regions,
            R::Explain | R::Sealed | R::Staff => Regions,
            R::Board | R::Review | R::AccessLog | R::Operation | R::Control => Nothing,
        },
        // Sees everything and changes nothing; what is sealed stays so.
        Role::Auditor => match resource {
            R::Postings => All,
            R::Board | R::Review | R::Hires | R::Wages | R::Arrears | R::Insurances => Regions,
            R::Cases | R::Directory | R::Explain | R::AccessLog | R::Staff => Regions,
            R::Operation => Regions,
            R::Sealed | R::Control => Nothing,
        },
        Role::PrivacyOfficer => match resource {
            R::Postings => All,
            R::Directory | R::Sealed | R::AccessLog | R::Staff => Regions,
            R::Board | R::Review | R::Hires | R::Wages | R::Arrears | R::Insurances => Nothing,
            R::Cases | R::Explain | R::Operation | R::Control => Nothing,
        },
        Role::Keeper => match resource {
            R::Postings => All,
            R::Staff | R::Operation | R::Control => Regions,
            R::Board | R::Review | R::Hires | R::Wages | R::Arrears | R::Insurances => Nothing,
            R::Cases | R::Directory | R::Explain | R::Sealed | R::AccessLog => Nothing,
        },
        Role::Gate | Role::Subscriber => match resource {
            R::Postings => All,
            R::Board | R::Review | R::Hires | R::Wages | R::Arrears | R::Insurances => Nothing,
            R::Cases | R::Directory | R::Explain | R::Sealed | R::AccessLog | R::Staff => Nothing,
            R::Operation | R::Control => Nothing,
        },
    }
}

/// Whether `actor` may see an event of the type `name`, such as `hire.agreed`: its audience admits their
/// department, or their role works with its kind.
pub fn may_see(actor: &Actor, recorded: &Recorded, name: &str) -> bool {
    let outline = recorded.outline();
    if audience::is_open(outline.audience) {
        return true;
    }
    let in_regions = covers(actor, outline.region) || left(recorded).is_some_and(|it| covers(actor, it));
    // Of a kind that is not known here nobody can say whose work it is: it is for those alone who see everything.
    let kind = outline.subject.known().map(|it| it.kind);
    match actor.role {
        Role::Auditor => in_regions,
        Role::Subscriber => in_regions && audience::admits(outline.audience, actor.department),
        Role::Worker => is_own(actor, &outline) && kind.is_some_and(|it| !is_inner(it)),
        Role::Employer => is_own(actor, &outline) && kind.is_some_and(is_between_sides) && !is_confided(name),
        Role::Insurer => in_regions && insures(actor, recorded),
        Role::Engine
        | Role::CrewLeader
        | Role::Clerk
        | Role::Dispatcher
        | Role::Reviewer
        | Role::MarketManager
        | Role::Gate
        | Role::CaseOfficer
        | Role::CaseLead
        | Role::Mediator
        | Role::PrivacyOfficer
        | Role::Keeper => in_regions && kind.is_some_and(|it| works_with(actor.role, it)),
    }
}

/// Whether this is about a cover that the actor's insurer was asked for.
fn insures(actor: &Actor, recorded: &Recorded) -> bool {
    let Recorded::Known(envelope) = recorded else { return false };
    let Event::Insurance(event) = &envelope.event else { return false };
    let asked_of = match event {
        InsuranceEvent::Applied(it) => &it.insurer_code,
        InsuranceEvent::Confirmed(it) => &it.insurer_code,
        InsuranceEvent::Rejected(it) => &it.insurer_code,
        InsuranceEvent::Ended(it) => &it.insurer_code,
        InsuranceEvent::CheckPlanned(_)
        | InsuranceEvent::RefusedByWorker(_)
        | InsuranceEvent::GapAlarmed(_) => return false,
    };
    actor.insures(asked_of.as_ref())
}

/// The county that something left with this event, beside the one whose it is from now on: both read where it went.
fn left(recorded: &Recorded) -> Option<Region> {
    match recorded {
        Recorded::Known(envelope) => match &envelope.event {
            Event::Claim(ClaimEvent::Referred(it)) => Some(it.from_region),
            Event::Claim(_)
            | Event::Market(_)
            | Event::Office(_)
            | Event::Person(_)
            | Event::Worker(_)
            | Event::Employer(_)
            | Event::Posting(_)
            | Event::Offer(_)
            | Event::Match(_)
            | Event::Hire(_)
            | Event::Attendance(_)
            | Event::Wage(_)
            | Event::Insurance(_)
            | Event::Case(_)
            | Event::Rules(_) => None,
        },
        Recorded::Unknown(_) => None,
    }
}

fn is_own(actor: &Actor, outline: &Outline<'_>) -> bool {
    let is_of = |own: EntityRef| outline.touches.contains(&own) || outline.subject == Subject::Known(own);
    Own::of(actor).is_some_and(|own| is_of(own.entity()))
}

/// What a worker told the office when it called back: never for the employer, who would know who complained.
fn is_confided(name: &str) -> bool {
    name.starts_with("hire.followed_up")
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
        | Role::Insurer
        | Role::Auditor
        | Role::Subscriber => false,
    }
}

#[cfg(test)]
mod tests {
    use linggong_events::id::{ActorId, OfficeId};
    use linggong_events::office::Grant;
    use uuid::Uuid;

    use super::*;

    /// 转办 from 370202 to 370102.
    const REFERRED: &str = include_str!("../../events/golden/claim.referred.v1.json");

    fn officer_of(region: &str) -> Actor {
        let grant = Grant {
            actor: ActorId(Uuid::from_u128(1)),
            role: Role::CaseOfficer,
            regions: vec![region.parse().unwrap()],
            person: None,
            worker: None,
            employer: None,
            market: None,
            department: None,
            insurer: None,
        };
        Actor::holding(&grant, OfficeId(Uuid::from_u128(2)))
    }

    #[test]
    fn of_a_kind_that_is_not_known_only_those_read_who_read_everything() {
        let line = REFERRED.replace("claim.referred", "moon.referred").replace("\"claim/", "\"moon/");
        let unknown = Recorded::from_line(line.trim_end().as_bytes()).unwrap();
        assert!(matches!(unknown, Recorded::Unknown(_)));
        let officer = officer_of("370102");
        assert!(!may_see(&officer, &unknown, "cn.linggong.moon.referred.v1"));
        let auditor = Actor { role: Role::Auditor, ..officer };
        assert!(may_see(&auditor, &unknown, "cn.linggong.moon.referred.v1"));
    }

    #[test]
    fn both_counties_read_a_referral_and_no_third() {
        let referred = Recorded::from_line(REFERRED.trim_end().as_bytes()).unwrap();
        let sees = |region| may_see(&officer_of(region), &referred, "claim.referred");
        assert!(sees("370102") && sees("370202"));
        assert!(!sees("370302"));
    }
}
