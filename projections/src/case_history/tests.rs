use linggong_events::case::{
    Accepted, Closed, Conclusion, Corrected, Deadline, DeadlineLapsed, DeadlineMet, DeadlineOf,
    DeadlineWarned, DocumentIssued, Extended, FilingProposed, Mediated, ReopenProposed, Reopened,
    ServiceMode, SettlementPaper, SupplementAsked,
};
use linggong_events::claim::{self, ClaimItem, Referred, Track};
use linggong_events::commit::Digest;
use linggong_events::envelope::Recorded;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::measure::{Fen, Position};

use super::*;
use crate::page::PageRequest;
use crate::projection::{AsOf, refold};
use crate::testing::{self, Ledger, date, trace};

fn registered(n: u128, total: i64) -> claim::Registered {
    claim::Registered {
        claim: testing::claim(n),
        worker: testing::worker(n),
        employer: testing::employer(1),
        office: testing::office(1),
        items: vec![ClaimItem {
            wage: None,
            hire: None,
            amount: Fen(total),
            from: date("2026-11-22"),
            until: date("2026-11-22"),
        }],
        total: Fen(total),
        filed_at: date("2026-11-23").at_minute(1438),
        disputed: Fen::ZERO,
        suggested_track: Track::Supervision,
        receipt_text: "回执".into(),
        safe_date: Some(date("2027-11-23")),
        safe_trace: None,
        answer_by: None,
        statement: None,
        external: None,
        mandate: None,
    }
}

fn deadline(rule: &str, last_day: &str) -> Deadline {
    let (last_day, trace) = (date(last_day), trace(rule, "2026-11-25", last_day));
    Deadline { rule: rule.into(), last_day, safe_day: last_day.plus_days(-1), trace }
}

fn accepted(deadlines: Vec<Deadline>) -> Accepted {
    Accepted {
        case: testing::case(1),
        claims: vec![testing::claim(1), testing::claim(2)],
        worker: testing::worker(1),
        employer: testing::employer(1),
        office: testing::office(2),
        number: "历下人社监受〔2026〕1号".into(),
        track: Track::Supervision,
        deadlines,
        warn_days: vec![3],
    }
}

/// Two claims are registered and referred, then accepted as one case with two deadlines.
fn one_case() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.at("2026-11-24", 540);
    let (from, to) = (testing::office(1), testing::office(2));
    for n in [1, 2] {
        ledger.record(registered(n, 28_000 * n as i64));
        let (from_region, to_region) = ("370102".parse().unwrap(), "370202".parse().unwrap());
        let (claim, reason) = (testing::claim(n), "用工地".into());
        ledger.record(Referred { claim, from, to, from_region, to_region, reason, answer_by: None });
    }
    ledger.at("2026-11-25", 600);
    ledger.record(accepted(vec![
        deadline("sup.accept", "2026-12-01"),
        deadline("sup.investigate", "2027-02-20"),
    ]));
    ledger
}

fn history(ledger: &Ledger) -> CaseHistory {
    refold::<CaseHistories>(&ledger.events).case(testing::case(1)).unwrap().value.unwrap()
}

fn states(history: &CaseHistory) -> Vec<(String, String, DeadlineState)> {
    let deadlines = history.case.deadlines.iter();
    deadlines.map(|it| (it.rule.to_string(), it.last_day.to_string(), it.state)).collect()
}

#[test]
fn a_case_tells_the_story_of_its_claims_from_before_it_was_a_case() {
    let history = history(&one_case());
    let steps: Vec<_> = history.steps.iter().map(|step| (step.position.0, step.type_name.as_str())).collect();
    let expected = [
        (1, "claim.registered.v1"),
        (2, "claim.referred.v1"),
        (3, "claim.registered.v1"),
        (4, "claim.referred.v1"),
        (5, "case.accepted.v1"),
    ];
    assert_eq!(steps, expected, "the acceptance touches three entities and is one step");
    assert_eq!((history.case.total, history.case.outstanding), (Fen(84_000), Fen(84_000)));
    assert!(history.claims.iter().all(|claim| claim.state == ClaimState::Accepted));
    assert_eq!(field(&history.steps[0], "total"), 28_000);
}

#[test]
fn both_clocks_of_a_step_are_shown() {
    let mut ledger = one_case();
    let occurred = date("2026-11-20").at_minute(600);
    ledger.meta_of(Position(1), |meta| meta.occurred_at = occurred);
    let step = history(&ledger).steps[0].clone();
    assert_eq!((step.occurred_at, step.recorded_at), (occurred, date("2026-11-24").at_minute(540)));
}

#[test]
fn deadlines_run_are_met_are_extended_and_lapse() {
    use DeadlineState::{Extended as Longer, Lapsed, Met, Running};
    let case = testing::case(1);
    let mut ledger = one_case();
    let met = |rule: &str, day| DeadlineMet { case, rule: rule.into(), last_day: date(day), claim: None };
    ledger.record(met("sup.accept", "2026-12-01"));
    let (rule, last_day) = (DeadlineOf::from("sup.investigate"), date("2027-02-20"));
    ledger.record(DeadlineWarned { case, rule, last_day, claim: None });
    ledger.record(Extended {
        case,
        deadline: deadline("sup.investigate", "2027-04-05"),
        supersedes: last_day,
        reason: "案情复杂".into(),
        approved_by: testing::actor(9),
        warn_days: vec![3],
    });
    let history_now = history(&ledger);
    let expected = [
        ("sup.accept".into(), "2026-12-01".into(), Met),
        ("sup.investigate".into(), "2027-02-20".into(), Longer),
        ("sup.investigate".into(), "2027-04-05".into(), Running),
    ];
    assert_eq!(states(&history_now), expected);
    assert_eq!(history_now.case.next_due(), Some(date("2027-04-05")));
    assert!(history_now.case.deadlines[1].warned && !history_now.case.deadlines[2].warned);
    assert_eq!(history_now.case.deadlines[2].approved_by, Some(testing::actor(9)));

    let (rule, last_day) = (DeadlineOf::from("sup.investigate"), date("2027-04-05"));
    ledger.record(DeadlineLapsed { case, rule, last_day, claim: None, unpaid: None });
    assert_eq!(states(&history(&ledger))[2].2, Lapsed);
    assert_eq!(history(&ledger).case.state, CaseState::Accepted, "lapsing closes nothing");
}

#[test]
fn an_officers_own_date_is_a_deadline_too() {
    let mut ledger = one_case();
    ledger.record(DocumentIssued {
        case: testing::case(1),
        document: "限期改正指令书".into(),
        number: "3".into(),
        digest: testing::EVIDENCE,
        served: ServiceMode::Direct,
        served_at: date("2026-11-26").at_minute(600),
        warn_days: vec![3],
        due: Some(date("2026-11-30")),
    });
    assert_eq!(history(&ledger).case.next_due(), Some(date("2026-11-30")));
    let view = refold::<CaseHistories>(&ledger.events);
    let due = |day| {
        let filter = CaseFilter { due_by: Some(date(day)), ..CaseFilter::default() };
        view.due(&filter, &PageRequest::first(10)).unwrap().value.rows.len()
    };
    assert_eq!((due("2026-11-29"), due("2026-11-30")), (0, 1));
}

#[test]
fn payment_seen_on_one_claim_leaves_the_other_in_the_sum() {
    let (case, claim) = (testing::case(1), testing::claim(1));
    let mut ledger = one_case();
    ledger.record(Mediated {
        case,
        claim,
        worker: testing::worker(1),
        employer: testing::employer(1),
        amount: Fen(28_000),
        pay_by: date("2026-12-10"),
        paper: SettlementPaper::MediationAgreement,
        document: testing::EVIDENCE,
        warn_days: vec![3],
        excess: None,
    });
    let (amount, outstanding) = (Fen(28_000), Fen::ZERO);
    ledger.record(linggong_events::case::PaymentSeen { case, claim, amount, outstanding });
    let history = history(&ledger);
    assert_eq!((history.case.total, history.case.outstanding), (Fen(84_000), Fen(56_000)));
    assert_eq!(history.case.settlements[0].amount, Fen(28_000));
    assert_eq!(history.claims[0].outstanding, Fen::ZERO);
}

#[test]
fn agreed_terms_outlive_a_case_closed_as_settled_and_give_way_to_others() {
    let (case, claim) = (testing::case(1), testing::claim(1));
    let mut ledger = one_case();
    let mediated = |pay_by| Mediated {
        case,
        claim,
        worker: testing::worker(1),
        employer: testing::employer(1),
        amount: Fen(28_000),
        pay_by: date(pay_by),
        paper: SettlementPaper::MediationAgreement,
        document: testing::EVIDENCE,
        warn_days: vec![3],
        excess: None,
    };
    ledger.record(mediated("2026-12-10"));
    ledger.record(mediated("2026-12-20"));
    let (conclusion, reason) = (Conclusion::Settled, String::from("按协议"));
    ledger.record(Closed { case, conclusion, reason, outstanding: Fen(28_000) });
    let terms = |ledger: &Ledger| {
        let rows = history(ledger).case.deadlines.into_iter();
        let terms = rows.filter(|it| matches!(it.rule, DeadlineOf::Settlement(_)));
        terms.map(|it| (it.last_day.to_string(), it.state)).collect::<Vec<_>>()
    };
    let replaced = ("2026-12-10".into(), DeadlineState::Superseded);
    let open = [replaced.clone(), ("2026-12-20".into(), DeadlineState::Running)];
    assert_eq!(terms(&ledger), open);
    assert_eq!(history(&ledger).case.next_due(), Some(date("2026-12-20")));
    let (rule, last_day) = (DeadlineOf::Settlement(claim), date("2026-12-20"));
    ledger.record(DeadlineLapsed { case, rule, last_day, claim: Some(claim), unpaid: Some(Fen(1)) });
    assert_eq!(terms(&ledger), [replaced, ("2026-12-20".into(), DeadlineState::Lapsed)]);
}

#[test]
fn closing_discharges_what_runs_and_reopening_lets_it_run_again() {
    let case = testing::case(1);
    let mut ledger = one_case();
    let (conclusion, reason) = (Conclusion::Paid, String::from("已付清"));
    ledger.record(Closed { case, conclusion, reason, outstanding: Fen::ZERO });
    let closed = history(&ledger);
    assert_eq!(closed.case.state, CaseState::Closed);
    assert!(closed.case.closed_at.is_some() && closed.case.next_due().is_none());
    ledger.record(ReopenProposed { case, reason: "未到账".into() });
    let proposal = history(&ledger).case.proposal.unwrap();
    assert_eq!((proposal.what, proposal.by), (Proposed::Reopening, testing::actor(1)));
    ledger.record(Reopened { case, reason: "未到账".into(), proposed_by: testing::actor(1) });
    let open = history(&ledger);
    assert_eq!((open.case.state, open.case.proposal), (CaseState::Accepted, None));
    assert_eq!(open.case.deadlines[0].state, DeadlineState::Running);
}

#[test]
fn a_correction_is_visible_and_so_is_what_it_corrects() {
    let mut ledger = one_case();
    let corrects = ledger.id_of(Position(1));
    let (was, is) = (String::from("180"), String::from("1800"));
    let at = ledger.record(Corrected { case: testing::case(1), corrects, was, is, reason: "笔误".into() });
    let history = history(&ledger);
    assert_eq!(history.steps[0].corrected_by, Some(at));
    assert_eq!(field(&history.steps[0], "total"), 28_000, "the words before stay readable");
    assert_eq!((history.case.corrections[0].was.as_str(), history.steps[1].corrected_by), ("180", None));
}

#[test]
fn a_supplement_is_asked_for_before_a_case_is_accepted() {
    let mut ledger = Ledger::new();
    ledger.record(registered(1, 28_000));
    ledger.record(SupplementAsked {
        case: testing::case(1),
        claim: testing::claim(1),
        worker: testing::worker(1),
        employer: testing::employer(1),
        office: testing::office(2),
        missing: "工资凭证".into(),
        due: date("2026-12-05"),
        warn_days: vec![3],
    });
    let asked = history(&ledger);
    assert_eq!(
        (asked.case.state, asked.case.next_due()),
        (CaseState::SupplementAsked, Some(date("2026-12-05")))
    );
    assert_eq!(asked.case.worker, Some(testing::worker(1)));
    ledger.record(registered(2, 28_000));
    ledger.record(accepted(Vec::new()));
    let accepted = history(&ledger);
    assert_eq!((accepted.case.state, accepted.case.next_due()), (CaseState::Accepted, None));
}

#[test]
fn a_case_can_be_read_as_it_was_known_or_as_it_had_happened() {
    let case = testing::case(1);
    let mut ledger = one_case();
    // It happened before the acceptance was recorded, and was told later.
    let late = ledger.record(FilingProposed { case, reason: "补录".into() });
    ledger.meta_of(late, |meta| meta.occurred_at = date("2026-11-25").at_minute(601));
    ledger.meta_of(late, |meta| meta.time = date("2026-11-28").at_minute(600));
    let proposed = |as_of: AsOf| {
        let events: Vec<&Recorded> = ledger.events.iter().filter(|event| as_of.includes(event)).collect();
        let history = refold::<CaseHistories>(events).case(case).unwrap().value;
        history.map(|history| history.case.proposal.is_some())
    };
    let noon = date("2026-11-26").at_minute(720);
    assert_eq!(proposed(AsOf::Known(noon)), Some(false));
    assert_eq!(proposed(AsOf::Happened(noon)), Some(true));
    assert_eq!(proposed(AsOf::KnownAt(late)), Some(true));
    assert_eq!(proposed(AsOf::KnownAt(Position(4))), None, "there was no case yet");
}

#[test]
fn an_unknown_event_about_a_claim_is_a_step_shown_raw() {
    let mut ledger = one_case();
    ledger.record_unknown("cn.linggong.claim.appraised.v3", testing::claim(2).into());
    let step = history(&ledger).steps.pop().unwrap();
    assert_eq!((step.type_name.as_str(), step.known), ("claim.appraised.v3", false));
    assert_eq!(field(&step, "what"), "unheard of");
}

#[test]
fn cases_and_claims_are_listed_by_office_and_state() {
    let ledger = one_case();
    let view = refold::<CaseHistories>(&ledger.events);
    let page = PageRequest::first(10);
    let of = |office| CaseFilter { office: Some(office), open: Some(true), ..CaseFilter::default() };
    assert_eq!(view.cases(&of(testing::office(2)), &page).unwrap().value.rows.len(), 1);
    assert!(view.cases(&of(testing::office(1)), &page).unwrap().value.rows.is_empty());
    let accepted = ClaimFilter { state: Some(ClaimState::Accepted), ..ClaimFilter::default() };
    assert_eq!(view.claims(&accepted, &page).unwrap().value.rows.len(), 2);
    let numbered = view.numbered("历下人社监受〔2026〕1号").unwrap().value;
    assert_eq!(numbered, Some(testing::case(1)));
}

/// One field of what a step's event said.
fn field(step: &Step, name: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(step.data.text()).unwrap()[name].take()
}

#[test]
fn all_the_evidence_of_a_claim_is_there_in_order_however_much_it_is() {
    let mut ledger = Ledger::new();
    ledger.record(registered(1, 28_000));
    for nth in 0..50_u8 {
        let digest = EvidenceDigest(Digest::of(&[nth]));
        let (media_type, label) = ("image/png".to_owned(), "回单".to_owned());
        let claim = testing::claim(1);
        ledger.record(claim::EvidenceAdded { claim, digest, media_type, bytes: nth.into(), label });
    }
    let found = refold::<CaseHistories>(&ledger.events).claim(testing::claim(1)).unwrap().value.unwrap();
    let pieces: Vec<u64> = found.evidence.iter().map(|it| it.bytes).collect();
    assert_eq!(pieces, (0..50).collect::<Vec<_>>());
    assert_eq!((found.claim.pieces, found.steps.len()), (50, 51));
}
