use linggong_events::claim::{ClaimItem, Registered, Track, Withdrawn};
use linggong_events::wage::{
    DemandMeans, Demanded, Due, Overdue, OwedNoteGiven, Paid, PaidToThird, PayMeans, PaymentContradicted,
    PaymentDetermined, PresumedDue, WageBasis,
};

use super::*;
use crate::page::PageRequest;
use crate::projection::{Reader, refold};
use crate::testing::{self, Ledger, date, employer_registered, trace};

const DUE: &str = "2026-11-22";

fn due(n: u128, owed_by: u128, amount: i64, due_on: &str) -> Due {
    Due {
        wage: testing::wage(n),
        hire: testing::hire(n),
        worker: testing::worker(n),
        employer: testing::employer(owed_by),
        amount: Fen(amount),
        outstanding: Fen(amount),
        basis: WageBasis::Attendance,
        date: date(due_on),
        due_on: date(due_on),
        trace: trace("wage.completion", due_on, due_on),
    }
}

fn paid(n: u128, amount: i64, outstanding: i64) -> Paid {
    Paid {
        wage: testing::wage(n),
        hire: testing::hire(n),
        worker: testing::worker(n),
        employer: testing::employer(1),
        amount: Fen(amount),
        outstanding: Fen(outstanding),
        means: PayMeans::Cash,
        at: date(DUE).at_minute(1080),
        evidence: testing::EVIDENCE,
        signature: None,
    }
}

fn overdue(n: u128, outstanding: i64) -> Overdue {
    Overdue {
        wage: testing::wage(n),
        hire: testing::hire(n),
        worker: testing::worker(n),
        employer: testing::employer(1),
        outstanding: Fen(outstanding),
        due_on: date(DUE),
    }
}

fn claimed(n: u128, wages: &[u128]) -> Registered {
    let item = |n: &u128| ClaimItem {
        wage: Some(testing::wage(*n)),
        hire: None,
        amount: Fen(28_000),
        from: date(DUE),
        until: date(DUE),
    };
    Registered {
        claim: testing::claim(n),
        worker: testing::worker(1),
        employer: testing::employer(1),
        office: testing::office(1),
        items: wages.iter().map(item).collect(),
        total: Fen(28_000),
        filed_at: date(DUE).at_minute(1200),
        disputed: Fen::ZERO,
        suggested_track: Track::Supervision,
        receipt_text: "回执".into(),
        safe_date: Some(date("2027-11-22")),
        safe_trace: None,
        answer_by: None,
        statement: None,
        external: None,
        mandate: None,
    }
}

fn board(ledger: &Ledger) -> Reader<WageProtectionBoard> {
    refold(&ledger.events)
}

fn wages(ledger: &Ledger, today: &str, filter: WageFilter) -> Vec<AgedWage> {
    board(ledger).wages(date(today), &filter, &PageRequest::first(10)).unwrap().value.rows
}

fn employer(ledger: &Ledger, n: u128) -> EmployerArrears {
    board(ledger).employer(testing::employer(n)).unwrap().value.unwrap()
}

#[test]
fn a_debt_ages_by_the_day_it_is_looked_at() {
    let cases = [
        ("2026-11-21", Bucket::NotDue),
        ("2026-11-22", Bucket::DueToday),
        ("2026-11-23", Bucket::Overdue1To7),
        ("2026-11-29", Bucket::Overdue1To7),
        ("2026-11-30", Bucket::Overdue8To30),
        ("2026-12-22", Bucket::Overdue8To30),
        ("2026-12-23", Bucket::OverdueOver30),
    ];
    let mut ledger = Ledger::new();
    ledger.record(due(1, 1, 28_000, DUE));
    for (today, bucket) in cases {
        assert_eq!(wages(&ledger, today, WageFilter::default())[0].bucket, bucket, "{today}");
    }
}

#[test]
fn part_pay_reduces_the_sum_and_full_pay_clears_the_board() {
    let mut ledger = Ledger::new();
    ledger.record(employer_registered(1, "甲建筑公司"));
    ledger.record(due(1, 1, 28_000, DUE));
    ledger.record(overdue(1, 28_000));
    ledger.record(paid(1, 10_000, 18_000));
    let row = &wages(&ledger, DUE, WageFilter::default())[0].wage;
    assert_eq!((row.amount, row.outstanding), (Fen(28_000), Fen(18_000)));
    assert_eq!(row.employer_name.as_deref(), Some("甲建筑公司"));
    assert_eq!((employer(&ledger, 1).open_wages, employer(&ledger, 1).outstanding), (1, Fen(18_000)));

    ledger.record(paid(1, 18_000, 0));
    assert!(wages(&ledger, DUE, WageFilter::default()).is_empty());
    let total = employer(&ledger, 1);
    assert_eq!((total.wages, total.open_wages, total.outstanding), (1, 0, Fen::ZERO));
    assert_eq!(total.went_overdue, 1, "it is remembered that it was late");
    let all = WageFilter { employer: Some(testing::employer(1)), paid_too: true, ..WageFilter::default() };
    assert_eq!(wages(&ledger, DUE, all)[0].wage.payments.len(), 2);
    assert!(board(&ledger).employers(&PageRequest::first(10)).unwrap().value.rows.is_empty());
}

#[test]
fn sums_by_age_county_and_employer_agree() {
    let mut ledger = Ledger::new();
    ledger.record(due(1, 1, 28_000, DUE));
    ledger.record(due(2, 1, 20_000, "2026-10-01"));
    let away = ledger.record(due(3, 2, 50_000, DUE));
    ledger.meta_of(away, |meta| meta.region = "370202".parse().unwrap());

    let board = board(&ledger);
    let today = date("2026-11-23");
    let ageing = board.ageing(today, &WageFilter::default()).unwrap().value;
    let sums: Vec<_> = ageing.iter().map(|it| (it.wages, it.outstanding.0)).collect();
    assert_eq!(sums, [(0, 0), (0, 0), (2, 78_000), (0, 0), (1, 20_000)]);

    let regions = board.regions(today, None).unwrap().value;
    let sums: Vec<_> = regions.iter().map(|it| (it.region.to_string(), it.outstanding.0)).collect();
    assert_eq!(sums, [("370102".into(), 48_000), ("370202".into(), 50_000)]);
    let city = board.regions(today, "370100".parse().ok()).unwrap().value;
    assert_eq!(city.len(), 1);

    let ranking = board.employers(&PageRequest::first(10)).unwrap().value.rows;
    let sums: Vec<_> = ranking.iter().map(|it| (it.employer, it.outstanding.0)).collect();
    assert_eq!(sums, [(testing::employer(2), 50_000), (testing::employer(1), 48_000)]);

    let workers = board
        .workers(today, &WageFilter { region: "370100".parse().ok(), ..WageFilter::default() })
        .unwrap()
        .value;
    let sums: Vec<_> = workers.iter().map(|it| it.outstanding.0).collect();
    assert_eq!(sums.iter().sum::<i64>(), 48_000, "of that city alone: {sums:?}");
    assert!(sums.is_sorted_by(|a, b| a >= b), "who is owed most comes first: {sums:?}");
}

#[test]
fn warnings_stand_beside_the_sum_and_do_not_change_it() {
    let mut ledger = Ledger::new();
    let (wage, hire, worker) = (testing::wage(1), testing::hire(1), testing::worker(1));
    let (employer, amount) = (testing::employer(1), Fen(28_000));
    ledger.record(PresumedDue {
        wage,
        attendance: linggong_events::id::AttendanceId(wage.0),
        hire,
        worker,
        employer,
        amount,
        outstanding: amount,
        date: date(DUE),
        due_on: date(DUE),
        trace: trace("wage.completion", DUE, DUE),
    });
    let (to, at) = (linggong_events::wage::ThirdParty::CrewLeader, date(DUE).at_minute(1100));
    ledger.record(PaidToThird {
        wage,
        hire,
        worker,
        employer,
        amount,
        outstanding: amount,
        to,
        at,
        to_employer: None,
        evidence: None,
    });
    ledger.record(OwedNoteGiven { wage, worker, employer, amount, evidence: testing::EVIDENCE });
    let means = DemandMeans::Phone;
    ledger.record(Demanded { wage, worker, employer, amount, means, by_mandate: false, proof: None });
    let row = &wages(&ledger, DUE, WageFilter::default())[0].wage;
    let warnings = Warnings {
        presumed_due: true,
        paid_to_third: amount,
        owed_note: Some(amount),
        receipt_confirmed: None,
        determined: None,
    };
    assert_eq!((row.outstanding, row.warnings), (amount, warnings));
    assert_eq!((row.demands.len(), row.payments.len()), (1, 0));

    let sums = board(&ledger).warnings(date(DUE), &WageFilter::default()).unwrap().value;
    let on: Vec<_> = sums.iter().filter(|it| it.wages == 1).map(|it| it.warning).collect();
    assert_eq!(on, [Warning::PresumedDue, Warning::PaidToThird, Warning::OwedNote]);
    assert!(sums.iter().all(|it| it.outstanding == if it.wages == 1 { amount } else { Fen::ZERO }));
}

#[test]
fn a_disputed_wage_stays_on_the_board_until_it_is_settled_even_where_nothing_is_owed() {
    let mut ledger = Ledger::new();
    ledger.record(due(1, 1, 28_000, DUE));
    ledger.record(paid(1, 28_000, 0));
    let payment = ledger.events.last().unwrap().outline().id;
    let (wage, hire, worker) = (testing::wage(1), testing::hire(1), testing::worker(1));
    let (employer_id, recorded) = (testing::employer(1), Fen(28_000));
    let evidence = None;
    // The worker had signed for it, so it counts.
    ledger.record(PaymentContradicted {
        wage,
        hire,
        worker,
        employer: employer_id,
        payment,
        recorded,
        received: Fen(8_000),
        counted: recorded,
        outstanding: Fen::ZERO,
        disputed: Fen(20_000),
        evidence,
    });
    let row = &wages(&ledger, DUE, WageFilter::default())[0].wage;
    assert_eq!((row.outstanding, row.disputed), (Fen::ZERO, Fen(20_000)));
    assert_eq!(row.payments[0].contradicted.as_ref().map(|it| it.received), Some(Fen(8_000)));
    assert_eq!((employer(&ledger, 1).open_wages, employer(&ledger, 1).disputed), (0, Fen(20_000)));
    let ageing = board(&ledger).ageing(date(DUE), &WageFilter::default()).unwrap().value;
    assert!(ageing.iter().all(|it| it.wages == 0), "nothing is owed that could be old");

    ledger.record(PaymentDetermined {
        wage,
        hire,
        worker,
        employer: employer_id,
        paid: Fen(8_000),
        outstanding: Fen(20_000),
        disputed: Fen::ZERO,
        authority: testing::office(1),
        basis: "银行流水".into(),
        case: None,
        evidence: None,
    });
    let row = &wages(&ledger, DUE, WageFilter::default())[0].wage;
    assert_eq!((row.outstanding, row.disputed), (Fen(20_000), Fen::ZERO));
    assert_eq!(row.warnings.determined.map(|it| it.paid), Some(Fen(8_000)));
    assert_eq!((employer(&ledger, 1).open_wages, employer(&ledger, 1).disputed), (1, Fen::ZERO));
}

#[test]
fn a_claim_is_pending_on_its_wages_until_it_ends_once() {
    let mut ledger = Ledger::new();
    for n in [1, 2] {
        ledger.record(due(n, 1, 28_000, DUE));
    }
    ledger.record(claimed(1, &[1]));
    let claimed = WageFilter { claimed: Some(true), ..WageFilter::default() };
    let rows = wages(&ledger, DUE, claimed);
    let pending = WageClaim { claim: testing::claim(1), pending: true, agreed: None };
    assert_eq!((rows.len(), rows[0].wage.claims.as_slice()), (1, [pending].as_slice()));
    assert_eq!((employer(&ledger, 1).claims, employer(&ledger, 1).pending_claims), (1, 1));

    let withdrawn =
        || Withdrawn { claim: testing::claim(1), worker: testing::worker(1), reason: "已付".into() };
    ledger.record(withdrawn());
    ledger.record(withdrawn());
    assert!(wages(&ledger, DUE, claimed).is_empty());
    assert_eq!((employer(&ledger, 1).claims, employer(&ledger, 1).pending_claims), (1, 0));
}

#[test]
fn an_aged_wage_is_one_flat_object_in_json() {
    let mut ledger = Ledger::new();
    ledger.record(due(1, 1, 28_000, DUE));
    let row = &wages(&ledger, "2026-11-25", WageFilter::default())[0];
    let json = serde_json::to_value(row).unwrap();
    assert_eq!(json["bucket"], "overdue_1_7");
    assert_eq!(json["outstanding"], 28_000);
}
