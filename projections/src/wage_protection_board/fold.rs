//! How wages, and the totals of employers, become what events say.

use linggong_events::case::{CaseEvent, Conclusion, DeadlineOf};
use linggong_events::claim::ClaimEvent;
use linggong_events::employer::EmployerDetails;
use linggong_events::envelope::Meta;
use linggong_events::id::{CaseId, ClaimId, EmployerId, HireId, WageId, WorkerId};
use linggong_events::measure::Fen;
use linggong_events::time::Date;
use linggong_events::wage::{WageBasis, WageEvent};

use crate::case_history::DeadlineState;
use crate::view::Rows;

use super::{
    Agreed, BY_EMPLOYER, BY_WORKER, CLAIMED, CLAIMS, Contradiction, Demand, Determined, EmployerArrears,
    Payment, RANKING, TAKEN_ON, WageClaim, WageCorrection, WageRow, Warnings, employer, is_open, is_owed,
    open, plus, wage,
};

pub(super) fn learn(rows: &mut Rows<'_>, id: EmployerId, details: &EmployerDetails) {
    total(rows, id, |row| {
        row.name = details.name.clone();
        row.employer_kind = Some(details.employer_kind);
    });
}

pub(super) fn of_wage(rows: &mut Rows<'_>, meta: &Meta, event: &WageEvent) {
    match event {
        WageEvent::Due(it) => {
            let terms = (it.amount, it.outstanding, it.due_on, it.trace.citation.clone());
            let people = (it.hire, it.worker, it.employer);
            set_due(rows, meta, it.wage, people, terms, Some(it.basis));
        }
        WageEvent::PresumedDue(it) => {
            let terms = (it.amount, it.outstanding, it.due_on, it.trace.citation.clone());
            let people = (it.hire, it.worker, it.employer);
            set_due(rows, meta, it.wage, people, terms, None);
        }
        WageEvent::Adjusted(it) => change(rows, meta, it.wage, |row| {
            (row.amount, row.outstanding) = (it.amount, it.outstanding);
            row.basis = Some(it.basis);
            row.warnings.presumed_due = false;
        }),
        WageEvent::Paid(it) => change(rows, meta, it.wage, |row| {
            row.outstanding = it.outstanding;
            row.payments.push(Payment {
                event: meta.id,
                amount: it.amount,
                means: it.means,
                at: it.at,
                evidence: it.evidence,
                signature: it.signature,
                outstanding: it.outstanding,
                contradicted: None,
            });
        }),
        WageEvent::PaidToThird(it) => change(rows, meta, it.wage, |row| {
            row.outstanding = it.outstanding;
            row.warnings.paid_to_third = plus(row.warnings.paid_to_third, it.amount);
        }),
        WageEvent::ReceiptConfirmed(it) => change(rows, meta, it.wage, |row| {
            (row.outstanding, row.disputed) = (it.outstanding, it.disputed);
            row.warnings.receipt_confirmed = Some(it.amount);
        }),
        WageEvent::PaymentContradicted(it) => change(rows, meta, it.wage, |row| {
            (row.outstanding, row.disputed) = (it.outstanding, it.disputed);
            for payment in row.payments.iter_mut().filter(|payment| payment.event == it.payment) {
                payment.contradicted = Some(Contradiction {
                    received: it.received,
                    counted: it.counted,
                    at: meta.occurred_at,
                    evidence: it.evidence,
                });
            }
        }),
        WageEvent::PaymentDetermined(it) => change(rows, meta, it.wage, |row| {
            (row.outstanding, row.disputed) = (it.outstanding, it.disputed);
            let (paid, authority, position) = (it.paid, it.authority, meta.position);
            row.warnings.determined = Some(Determined { paid, authority, position });
        }),
        WageEvent::Overdue(it) => change(rows, meta, it.wage, |row| {
            row.outstanding = it.outstanding;
            row.went_overdue = true;
        }),
        WageEvent::Demanded(it) => change(rows, meta, it.wage, |row| {
            row.demands.push(Demand {
                amount: it.amount,
                means: it.means,
                at: meta.occurred_at,
                proof: it.proof,
            });
        }),
        WageEvent::OwedNoteGiven(it) => {
            change(rows, meta, it.wage, |row| row.warnings.owed_note = Some(it.amount));
        }
        WageEvent::Corrected(it) => change(rows, meta, it.wage, |row| {
            (row.amount, row.outstanding, row.disputed) = (it.amount, it.outstanding, it.disputed);
            row.corrections.push(WageCorrection {
                corrects: it.corrects,
                reason: it.reason.clone(),
                recorded_at: meta.time,
            });
        }),
    }
}

/// A wage becomes payable; a wage that was presumed due and is then known keeps its history.
fn set_due(
    rows: &mut Rows<'_>,
    meta: &Meta,
    id: WageId,
    (hire, worker, employer_id): (HireId, WorkerId, EmployerId),
    (amount, outstanding, due_on, citation): (Fen, Fen, Date, String),
    basis: Option<WageBasis>,
) {
    if rows.get(&wage(id)).is_none() {
        let row = WageRow {
            wage: id,
            hire,
            worker,
            employer: employer_id,
            employer_name: rows.get(&employer(employer_id)).and_then(|it| it.name),
            region: meta.region,
            amount: Fen::ZERO,
            outstanding: Fen::ZERO,
            disputed: Fen::ZERO,
            basis: None,
            due_on,
            citation: String::new(),
            went_overdue: false,
            warnings: Warnings::default(),
            payments: Vec::new(),
            demands: Vec::new(),
            claims: Vec::new(),
            corrections: Vec::new(),
            position: meta.position,
        };
        rows.put(wage(id), &row);
        total(rows, employer_id, |total| total.wages += 1);
    }
    change(rows, meta, id, |row| {
        (row.amount, row.outstanding, row.due_on, row.citation) = (amount, outstanding, due_on, citation);
        row.warnings.presumed_due = basis.is_none();
        row.basis = basis;
    });
}

pub(super) fn of_claim(rows: &mut Rows<'_>, meta: &Meta, event: &ClaimEvent) {
    match event {
        ClaimEvent::Registered(it) => {
            let wages: Vec<WageId> = it.items.iter().filter_map(|item| item.wage).collect();
            rows.put(CLAIMS.key().id(it.claim.0), &it.employer);
            rows.put(CLAIMED.key().id(it.claim.0), &wages);
            total(rows, it.employer, |row| {
                row.claims += 1;
                row.pending_claims += 1;
            });
            for id in wages {
                change(rows, meta, id, |row| {
                    let known = row.claims.iter().any(|claim| claim.claim == it.claim);
                    if !known {
                        row.claims.push(WageClaim { claim: it.claim, pending: true, agreed: None });
                    }
                });
            }
        }
        ClaimEvent::Withdrawn(it) => {
            settle(rows, meta, it.claim);
            // Not in a case that is closed and taken up again either.
            for from in [DeadlineState::Running, DeadlineState::Discharged] {
                agreed(rows, meta, it.claim, |was| turn(was, from, DeadlineState::Superseded));
            }
        }
        ClaimEvent::Closed(it) => settle(rows, meta, it.claim),
        // What is left of a wage is told by the wage's own events.
        ClaimEvent::AmountChanged(_)
        | ClaimEvent::DuplicateSuspected(_)
        | ClaimEvent::Linked(_)
        | ClaimEvent::EvidenceAdded(_)
        | ClaimEvent::Referred(_)
        | ClaimEvent::Unanswered(_)
        | ClaimEvent::AnswerRecounted(_)
        | ClaimEvent::FollowedUp(_) => {}
    }
}

/// What of a case is told of its wages: the terms that were agreed, and whether they were kept.
pub(super) fn of_case(rows: &mut Rows<'_>, meta: &Meta, event: &CaseEvent) {
    match event {
        CaseEvent::Accepted(it) => rows.put(TAKEN_ON.key().id(it.case.0), &it.claims),
        CaseEvent::Mediated(it) => {
            let state = DeadlineState::Running;
            let (case, amount, pay_by) = (it.case, it.amount, it.pay_by);
            agreed(rows, meta, it.claim, |_| Some(Agreed { case, amount, pay_by, state, unpaid: None }));
        }
        CaseEvent::DeadlineMet(it) => {
            let DeadlineOf::Settlement(claim) = it.rule else { return };
            agreed(rows, meta, claim, |was| {
                was.map(|was| Agreed { state: DeadlineState::Met, unpaid: None, ..was })
            });
        }
        CaseEvent::DeadlineLapsed(it) => {
            let DeadlineOf::Settlement(claim) = it.rule else { return };
            let (state, unpaid) = (DeadlineState::Lapsed, it.unpaid);
            agreed(rows, meta, claim, |was| was.map(|was| Agreed { state, unpaid, ..was }));
        }
        CaseEvent::Closed(it) if it.conclusion != Conclusion::Settled => {
            for claim in claims_of(rows, it.case) {
                let (from, to) = (DeadlineState::Running, DeadlineState::Discharged);
                agreed(rows, meta, claim, |was| turn(was, from, to));
            }
        }
        CaseEvent::Reopened(it) => {
            for claim in claims_of(rows, it.case) {
                let (from, to) = (DeadlineState::Discharged, DeadlineState::Running);
                agreed(rows, meta, claim, |was| turn(was, from, to));
            }
        }
        CaseEvent::Closed(_)
        | CaseEvent::Refused(_)
        | CaseEvent::SupplementAsked(_)
        | CaseEvent::Supplemented(_)
        | CaseEvent::DirectedElsewhere(_)
        | CaseEvent::FilingProposed(_)
        | CaseEvent::Filed(_)
        | CaseEvent::Assigned(_)
        | CaseEvent::DocumentIssued(_)
        | CaseEvent::Extended(_)
        | CaseEvent::DeadlineRecounted(_)
        | CaseEvent::DeadlineWarned(_)
        | CaseEvent::MediationFailed(_)
        | CaseEvent::PaymentSeen(_)
        | CaseEvent::ReopenProposed(_)
        | CaseEvent::Corrected(_) => {}
    }
}

fn claims_of(rows: &mut Rows<'_>, case: CaseId) -> Vec<ClaimId> {
    rows.get(&TAKEN_ON.key().id(case.0)).unwrap_or_default()
}

fn turn(was: Option<Agreed>, from: DeadlineState, to: DeadlineState) -> Option<Agreed> {
    was.map(|was| if was.state == from { Agreed { state: to, ..was } } else { was })
}

/// Changes what was agreed on a claim, wherever the claim stands with its wages.
fn agreed(
    rows: &mut Rows<'_>,
    meta: &Meta,
    claim: ClaimId,
    becomes: impl Fn(Option<Agreed>) -> Option<Agreed>,
) {
    for id in rows.get(&CLAIMED.key().id(claim.0)).unwrap_or_default() {
        let Some(row) = rows.get(&wage(id)) else { continue };
        if row.claims.iter().all(|it| it.claim != claim || becomes(it.agreed) == it.agreed) {
            continue;
        }
        change(rows, meta, id, |row| {
            for it in row.claims.iter_mut().filter(|it| it.claim == claim) {
                it.agreed = becomes(it.agreed);
            }
        });
    }
}

/// A claim is no longer pending; told twice, it counts once.
fn settle(rows: &mut Rows<'_>, meta: &Meta, claim: ClaimId) {
    let Some(id) = rows.get(&CLAIMS.key().id(claim.0)) else { return };
    rows.remove(CLAIMS.key().id(claim.0));
    total(rows, id, |row| row.pending_claims = row.pending_claims.saturating_sub(1));
    for id in rows.get(&CLAIMED.key().id(claim.0)).unwrap_or_default() {
        change(rows, meta, id, |row| {
            for it in row.claims.iter_mut().filter(|it| it.claim == claim) {
                it.pending = false;
            }
        });
    }
}

fn change(rows: &mut Rows<'_>, meta: &Meta, id: WageId, change: impl FnOnce(&mut WageRow)) {
    let Some(before) = rows.get(&wage(id)) else { return };
    let mut row = before.clone();
    change(&mut row);
    row.position = meta.position;
    rows.remove(open(&before));
    rows.remove(BY_EMPLOYER.key().id(before.employer.0).date(before.due_on).id(id.0));
    rows.remove(BY_WORKER.key().id(before.worker.0).date(before.due_on).id(id.0));
    if is_open(&row) {
        rows.put(open(&row), &());
    }
    rows.put(BY_EMPLOYER.key().id(row.employer.0).date(row.due_on).id(id.0), &());
    rows.put(BY_WORKER.key().id(row.worker.0).date(row.due_on).id(id.0), &());
    total(rows, row.employer, |total| {
        total.open_wages = total.open_wages + u32::from(is_owed(&row)) - u32::from(is_owed(&before));
        total.outstanding = plus(total.outstanding, Fen(row.outstanding.0 - before.outstanding.0));
        total.disputed = plus(total.disputed, Fen(row.disputed.0 - before.disputed.0));
        total.went_overdue += u32::from(row.went_overdue && !before.went_overdue);
    });
    rows.put(wage(id), &row);
}

/// Changes an employer's totals and its place in the ranking.
fn total(rows: &mut Rows<'_>, id: EmployerId, change: impl FnOnce(&mut EmployerArrears)) {
    let mut row = rows.get(&employer(id)).unwrap_or(EmployerArrears {
        employer: id,
        name: None,
        employer_kind: None,
        wages: 0,
        open_wages: 0,
        outstanding: Fen::ZERO,
        disputed: Fen::ZERO,
        went_overdue: 0,
        pending_claims: 0,
        claims: 0,
    });
    let place = |row: &EmployerArrears| RANKING.key().falling(row.outstanding.0).id(id.0);
    rows.remove(place(&row));
    change(&mut row);
    if row.outstanding > Fen::ZERO || row.disputed > Fen::ZERO || row.pending_claims > 0 {
        rows.put(place(&row), &());
    }
    rows.put(employer(id), &row);
}
