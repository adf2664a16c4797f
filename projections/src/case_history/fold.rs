//! How claims and cases become what their events say.

use linggong_events::case::{CaseEvent, Conclusion, DeadlineOf};
use linggong_events::claim::ClaimEvent;
use linggong_events::codec::Json;
use linggong_events::envelope::{Meta, Outline};
use linggong_events::id::{CaseId, ClaimId, EntityRef, EventId, Kind, OfficeId};
use linggong_events::measure::Fen;

use crate::view::Rows;

use super::{
    CASES_BY_DUE, CASES_BY_TIME, CLAIMS_BY_TIME, CaseRow, CaseState, ClaimRow, ClaimState, Correction,
    DeadlineState, Document, Evidence, NUMBERS, PaymentSeen, Proposal, Proposed, Settlement, Step, case,
    claim, evidence, steps,
};

/// Adds an event to the history of every claim and case that it touches.
pub(super) fn add_step(
    rows: &mut Rows<'_>,
    outline: &Outline<'_>,
    type_name: String,
    data: Json,
    known: bool,
) {
    let row = Step {
        position: outline.position,
        event: outline.id,
        type_name,
        known,
        subject: outline.subject.known(),
        occurred_at: outline.occurred_at,
        recorded_at: outline.time,
        received_at: outline.received_at,
        filed: outline.filed,
        actor: outline.actor,
        role: outline.role,
        office: outline.office,
        channel: outline.channel,
        source_doc: outline.source_doc.map(str::to_owned),
        causation: outline.causation,
        data,
        corrected_by: None,
    };
    for entity in outline.touches.iter().filter(|it| is_ours(it)) {
        rows.push(&steps(*entity), outline.position, row.clone());
    }
}

pub(super) fn is_ours(entity: &EntityRef) -> bool {
    entity.kind == Kind::Claim || entity.kind == Kind::Case
}

pub(super) fn of_claim(rows: &mut Rows<'_>, meta: &Meta, event: &ClaimEvent) {
    match event {
        ClaimEvent::Registered(it) => {
            let row = ClaimRow {
                claim: it.claim,
                state: ClaimState::Registered,
                worker: it.worker,
                employer: it.employer,
                office: it.office,
                region: meta.region,
                items: it.items.clone(),
                total: it.total,
                outstanding: it.total,
                disputed: it.disputed,
                filed_at: it.filed_at,
                suggested_track: it.suggested_track,
                safe_date: it.safe_date,
                answer_by: it.answer_by.as_ref().map(|it| it.last_day),
                unanswered: false,
                case: None,
                pieces: 0,
                external: it.external.clone(),
                linked: Vec::new(),
                duplicates_suspected: Vec::new(),
                outcome: None,
                satisfied: None,
                position: meta.position,
            };
            rows.put(CLAIMS_BY_TIME.key().instant(it.filed_at).id(it.claim.0), &());
            rows.put(claim(it.claim), &row);
        }
        ClaimEvent::DuplicateSuspected(it) => {
            change_claim(rows, meta, it.claim, |row| row.duplicates_suspected.push(it.other));
        }
        ClaimEvent::Linked(it) => change_claim(rows, meta, it.claim, |row| row.linked.push(it.other)),
        ClaimEvent::EvidenceAdded(it) => {
            let piece = Evidence {
                claim: it.claim,
                digest: it.digest,
                media_type: it.media_type.clone(),
                bytes: it.bytes,
                label: it.label.clone(),
                recorded_at: meta.time,
                position: meta.position,
            };
            rows.push(&evidence(it.claim), meta.position, piece);
            change_claim(rows, meta, it.claim, |row| row.pieces += 1);
        }
        ClaimEvent::Referred(it) => {
            leave_case(rows, meta, it.claim, None);
            change_claim(rows, meta, it.claim, |row| {
                row.state = ClaimState::Referred;
                (row.office, row.region) = (it.to, it.to_region);
                (row.answer_by, row.unanswered) = (it.answer_by.as_ref().map(|it| it.last_day), false);
                row.case = None;
            });
        }
        ClaimEvent::AnswerRecounted(it) => {
            change_claim(rows, meta, it.claim, |row| row.answer_by = Some(it.answer_by.last_day));
        }
        ClaimEvent::Unanswered(it) => change_claim(rows, meta, it.claim, |row| row.unanswered = true),
        ClaimEvent::AmountChanged(it) => {
            change_claim(rows, meta, it.claim, |row| {
                (row.total, row.outstanding, row.disputed) = (it.total, it.outstanding, it.disputed);
            });
            sum_up(rows, meta, it.claim);
        }
        ClaimEvent::Withdrawn(it) => {
            leave_case(rows, meta, it.claim, None);
            change_claim(rows, meta, it.claim, |row| row.state = ClaimState::Withdrawn);
            if let Some(case) = rows.get(&claim(it.claim)).and_then(|row| row.case) {
                change_case(rows, meta, case, |row| {
                    row.ask_no_more(meta, &DeadlineOf::Settlement(it.claim));
                });
            }
        }
        ClaimEvent::Closed(it) => {
            leave_case(rows, meta, it.claim, None);
            change_claim(rows, meta, it.claim, |row| {
                row.state = ClaimState::Closed;
                row.outcome = Some(it.outcome);
                row.outstanding = it.outstanding;
                row.case = row.case.or(it.case);
            });
            sum_up(rows, meta, it.claim);
        }
        ClaimEvent::FollowedUp(it) => {
            change_claim(rows, meta, it.claim, |row| row.satisfied = Some(it.satisfied));
        }
    }
}

pub(super) fn of_case(rows: &mut Rows<'_>, meta: &Meta, event: &CaseEvent) {
    match event {
        CaseEvent::Accepted(it) => {
            for id in &it.claims {
                leave_case(rows, meta, *id, Some(it.case));
                change_claim(rows, meta, *id, |row| {
                    row.state = ClaimState::Accepted;
                    row.case = Some(it.case);
                    row.office = it.office;
                });
            }
            begin(rows, meta, it.case, CaseState::Accepted, |row| {
                row.number = Some(it.number.clone());
                row.office = Some(it.office);
                row.worker = Some(it.worker);
                row.employer = Some(it.employer);
                row.track = Some(it.track);
                row.claims.clone_from(&it.claims);
                // What was to be supplied has been: the office took the case on.
                for claim in &it.claims {
                    row.end_running(meta, &DeadlineOf::Supplement(*claim), DeadlineState::Met);
                }
                it.deadlines.iter().for_each(|deadline| row.set_deadline(meta, deadline, None));
            });
            if let Some(id) = it.claims.first() {
                sum_up(rows, meta, *id);
            }
        }
        CaseEvent::Refused(it) => {
            turn_down(
                rows,
                meta,
                (it.case, it.claim, it.office),
                CaseState::Refused,
                ClaimState::Refused,
                |row| {
                    row.number = Some(it.number.clone());
                    row.reason = Some(it.reason.clone());
                },
            );
        }
        CaseEvent::SupplementAsked(it) => {
            let (case, claim) = (CaseState::SupplementAsked, ClaimState::SupplementAsked);
            turn_down(rows, meta, (it.case, it.claim, it.office), case, claim, |row| {
                row.reason = Some(it.missing.clone());
                row.set_officers_date(meta, DeadlineOf::Supplement(it.claim), it.due);
            });
        }
        CaseEvent::Supplemented(it) => {
            let (case, claim) = (CaseState::Supplemented, ClaimState::Supplemented);
            change_case(rows, meta, it.case, |row| {
                row.end_running(meta, &DeadlineOf::Supplement(it.claim), DeadlineState::Met);
            });
            turn_down(rows, meta, (it.case, it.claim, it.office), case, claim, |row| {
                row.reason = Some(it.supplied.clone());
            });
            change_claim(rows, meta, it.claim, |row| {
                (row.answer_by, row.unanswered) = (it.answer_by.as_ref().map(|it| it.last_day), false);
            });
        }
        CaseEvent::DirectedElsewhere(it) => {
            let (case, claim) = (CaseState::DirectedElsewhere, ClaimState::DirectedElsewhere);
            turn_down(rows, meta, (it.case, it.claim, it.office), case, claim, |row| {
                row.reason = Some(it.reason.clone());
            });
        }
        CaseEvent::FilingProposed(it) => propose(rows, meta, it.case, Proposed::Filing, &it.reason),
        CaseEvent::Filed(it) => change_case(rows, meta, it.case, |row| {
            row.state = CaseState::Filed;
            row.filing_number = Some(it.number.clone());
            row.proposal = None;
            it.deadlines.iter().for_each(|deadline| row.set_deadline(meta, deadline, None));
        }),
        CaseEvent::Assigned(it) => change_case(rows, meta, it.case, |row| row.officer = Some(it.officer)),
        CaseEvent::DocumentIssued(it) => change_case(rows, meta, it.case, |row| {
            if let Some(due) = it.due {
                row.set_officers_date(meta, DeadlineOf::Document(it.number.clone()), due);
            }
            row.documents.push(Document {
                document: it.document.clone(),
                number: it.number.clone(),
                digest: it.digest,
                served: it.served,
                served_at: it.served_at,
                due: it.due,
            });
        }),
        CaseEvent::DeadlineRecounted(it) => change_case(rows, meta, it.case, |row| {
            row.end_deadline(meta, &it.deadline.rule, it.supersedes, DeadlineState::Superseded);
            row.set_deadline(meta, &it.deadline, None);
        }),
        CaseEvent::Extended(it) => change_case(rows, meta, it.case, |row| {
            row.end_deadline(meta, &it.deadline.rule, it.supersedes, DeadlineState::Extended);
            row.set_deadline(meta, &it.deadline, Some(it.approved_by));
        }),
        CaseEvent::DeadlineMet(it) => change_case(rows, meta, it.case, |row| {
            row.end_deadline(meta, &it.rule, it.last_day, DeadlineState::Met);
        }),
        CaseEvent::DeadlineWarned(it) => change_case(rows, meta, it.case, |row| {
            row.deadline(meta, &it.rule, it.last_day).warned = true;
        }),
        CaseEvent::DeadlineLapsed(it) => change_case(rows, meta, it.case, |row| {
            row.end_deadline(meta, &it.rule, it.last_day, DeadlineState::Lapsed);
        }),
        CaseEvent::Mediated(it) => change_case(rows, meta, it.case, |row| {
            row.state = CaseState::Mediated;
            let rule = DeadlineOf::Settlement(it.claim);
            row.end_running(meta, &rule, DeadlineState::Superseded);
            row.set_officers_date(meta, rule, it.pay_by);
            row.settlements.push(Settlement {
                claim: it.claim,
                amount: it.amount,
                pay_by: it.pay_by,
                paper: it.paper,
                document: it.document,
            });
        }),
        CaseEvent::MediationFailed(it) => change_case(rows, meta, it.case, |row| {
            row.state = CaseState::MediationFailed;
            row.reason = Some(it.reason.clone());
        }),
        CaseEvent::PaymentSeen(it) => {
            change_claim(rows, meta, it.claim, |row| row.outstanding = it.outstanding);
            change_case(rows, meta, it.case, |row| {
                let (claim, amount, outstanding) = (it.claim, it.amount, it.outstanding);
                row.payments.push(PaymentSeen { claim, amount, outstanding, at: meta.occurred_at });
            });
            sum_up(rows, meta, it.claim);
        }
        CaseEvent::Closed(it) => change_case(rows, meta, it.case, |row| {
            row.state = CaseState::Closed;
            row.conclusion = Some(it.conclusion);
            row.reason = Some(it.reason.clone());
            row.outstanding = it.outstanding;
            row.closed_at = Some(meta.time);
            let settled = it.conclusion == Conclusion::Settled;
            let outlives = |rule: &DeadlineOf| settled && matches!(rule, DeadlineOf::Settlement(_));
            for deadline in row.deadlines.iter_mut().filter(|it| it.state == DeadlineState::Running) {
                if !outlives(&deadline.rule) {
                    (deadline.state, deadline.ended_by) = (DeadlineState::Discharged, Some(meta.position));
                }
            }
        }),
        CaseEvent::ReopenProposed(it) => propose(rows, meta, it.case, Proposed::Reopening, &it.reason),
        CaseEvent::Reopened(it) => change_case(rows, meta, it.case, |row| {
            let filed = row.filing_number.is_some();
            row.state = if filed { CaseState::Filed } else { CaseState::Accepted };
            row.reason = Some(it.reason.clone());
            (row.conclusion, row.closed_at, row.proposal) = (None, None, None);
            row.turn_deadlines(DeadlineState::Discharged, DeadlineState::Running, None);
        }),
        CaseEvent::Corrected(it) => {
            mark_corrected(rows, meta, it.case, it.corrects);
            change_case(rows, meta, it.case, |row| {
                row.corrections.push(Correction {
                    corrects: it.corrects,
                    was: it.was.clone(),
                    is: it.is.clone(),
                    reason: it.reason.clone(),
                    position: meta.position,
                });
            });
        }
    }
}

/// Changes a case, which begins with this event where it is the first.
fn begin(rows: &mut Rows<'_>, meta: &Meta, id: CaseId, state: CaseState, change: impl FnOnce(&mut CaseRow)) {
    if rows.get(&case(id)).is_none() {
        rows.put(CASES_BY_TIME.key().instant(meta.time).id(id.0), &());
        rows.put(case(id), &CaseRow::new(id, state, meta));
    }
    change_case(rows, meta, id, |row| {
        row.state = state;
        change(row);
    });
}

/// The office does not take a claim on, or not yet.
fn turn_down(
    rows: &mut Rows<'_>,
    meta: &Meta,
    (case_id, claim_id, office): (CaseId, ClaimId, OfficeId),
    state: CaseState,
    claim_state: ClaimState,
    change: impl FnOnce(&mut CaseRow),
) {
    change_claim(rows, meta, claim_id, |row| {
        row.state = claim_state;
        row.case = Some(case_id);
    });
    let of_claim = rows.get(&claim(claim_id));
    begin(rows, meta, case_id, state, |row| {
        row.office = Some(office);
        row.worker = of_claim.as_ref().map(|it| it.worker).or(row.worker);
        row.employer = of_claim.as_ref().map(|it| it.employer).or(row.employer);
        if !row.claims.contains(&claim_id) {
            row.claims.push(claim_id);
        }
        // The office says something else now than what it asked for.
        row.end_running(meta, &DeadlineOf::Supplement(claim_id), DeadlineState::Superseded);
        change(row);
    });
    sum_up(rows, meta, claim_id);
}

/// A claim goes on in the case `to`, elsewhere, or not at all: a case that has not taken it on ends with it.
fn leave_case(rows: &mut Rows<'_>, meta: &Meta, id: ClaimId, to: Option<CaseId>) {
    let left = rows.get(&claim(id)).and_then(|row| row.case);
    let Some(left) = left.filter(|left| Some(*left) != to) else { return };
    change_case(rows, meta, left, |row| {
        row.end_running(meta, &DeadlineOf::Supplement(id), DeadlineState::Superseded);
        if let CaseState::SupplementAsked | CaseState::Supplemented = row.state {
            row.state = CaseState::Discontinued;
        }
    });
}

fn propose(rows: &mut Rows<'_>, meta: &Meta, id: CaseId, what: Proposed, reason: &str) {
    change_case(rows, meta, id, |row| {
        let (reason, by, position) = (reason.to_owned(), meta.actor, meta.position);
        row.proposal = Some(Proposal { what, reason, by, position });
    });
}

fn change_case(rows: &mut Rows<'_>, meta: &Meta, id: CaseId, change: impl FnOnce(&mut CaseRow)) {
    let Some(mut row) = rows.get(&case(id)) else { return };
    let due = |row: &CaseRow| row.next_due().map(|day| CASES_BY_DUE.key().date(day).id(id.0));
    if let Some(key) = due(&row) {
        rows.remove(key);
    }
    change(&mut row);
    row.position = meta.position;
    if let Some(key) = due(&row) {
        rows.put(key, &());
    }
    for number in [&row.number, &row.filing_number].into_iter().flatten() {
        rows.put(NUMBERS.key().word(number), &id);
    }
    rows.put(case(id), &row);
}

fn change_claim(rows: &mut Rows<'_>, meta: &Meta, id: ClaimId, change: impl FnOnce(&mut ClaimRow)) {
    rows.update(claim(id), |row| {
        change(row);
        row.position = meta.position;
    });
}

/// Brings the amounts of the case that took `id` up to those of its claims.
fn sum_up(rows: &mut Rows<'_>, meta: &Meta, id: ClaimId) {
    let Some(case_id) = rows.get(&claim(id)).and_then(|row| row.case) else { return };
    let Some(row) = rows.get(&case(case_id)) else { return };
    let claims: Vec<ClaimRow> = row.claims.iter().filter_map(|id| rows.get(&claim(*id))).collect();
    let sum = |of: fn(&ClaimRow) -> Fen| {
        claims.iter().fold(Fen::ZERO, |sum, claim| sum.plus(of(claim)).unwrap_or(sum))
    };
    let (total, outstanding, disputed) =
        (sum(|it| it.total), sum(|it| it.outstanding), sum(|it| it.disputed));
    change_case(rows, meta, case_id, |row| {
        (row.total, row.outstanding, row.disputed) = (total, outstanding, disputed);
    });
}

fn mark_corrected(rows: &mut Rows<'_>, meta: &Meta, id: CaseId, corrects: EventId) {
    let claims = rows.get(&case(id)).map(|row| row.claims).unwrap_or_default();
    let claims = claims.into_iter().map(EntityRef::from);
    for entity in std::iter::once(EntityRef::from(id)).chain(claims) {
        let is_meant = |step: &Step| step.event == corrects;
        rows.change_pushed(&steps(entity), is_meant, |step| step.corrected_by = Some(meta.position));
    }
}
