//! 登记回执 of a claim: printed for a stated purpose, since it names the claimant in clear.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use linggong_events::Event;
use linggong_events::claim::{ClaimEvent, Registered};
use linggong_events::commit::Digest;
use linggong_events::envelope::{Envelope, Recorded};
use linggong_events::id::{ClaimId, WorkerId};
use linggong_events::log::LogReader;
use linggong_events::person::PersonField;
use linggong_projections::Source;

use super::App;
use super::asked::Body;
use super::auth::Asking;
use super::commands::not_opened;
use super::error::Problem;
use super::ops::Why;
use super::reads::may_show;
use crate::claim_receipt::{ClaimReceipt, Place};
use crate::glossary;
use crate::permission::{Reach, Resource, reach};
use crate::vault::{Purpose, person_label};

/// The receipt as JSON, or as the page itself where the reader accepts `text/html` or `text/plain`.
pub(super) async fn print(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(id): Path<ClaimId>,
    headers: HeaderMap,
    Body(why): Body<Why>,
) -> Result<Response, Problem> {
    if reach(actor.role, Resource::Sealed) == Reach::Nothing {
        return Err(Problem::not_found());
    }
    let found = app.readers.case_history.claim(id)?.value.ok_or_else(Problem::not_found)?;
    let (claim, evidence) = (found.claim, found.evidence);
    may_show(&actor, Resource::Cases, claim.region, Some(claim.worker), None)?;
    let purpose = why.admitted(&app, &actor, |case| Ok(case.claims.contains(&id)))?;
    let (registration, registered, place) = registration(&app, id)?;
    let case = match claim.case {
        Some(case) => app.readers.case_history.case(case)?.value.map(|it| it.case),
        None => None,
    };
    let employer = app.readers.directory.employer(claim.employer)?.value.and_then(|it| it.details.name);
    let name = claimant(&app, claim.worker, purpose.clone()).await?;
    let meta = registration.meta;
    let receipt = ClaimReceipt {
        demo: app.demo,
        claim,
        evidence,
        case,
        name,
        employer,
        statement: registered.receipt_text,
        filed: meta.filed,
        received_at: meta.received_at,
        recorded_at: meta.time,
        safe_trace: registered.safe_trace,
        mandate: registered.mandate.map(|it| it.to_string()),
        place,
        printed_at: purpose.at,
    };
    let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
    let lang = glossary::accepted(text(header::ACCEPT_LANGUAGE));
    let accepted = text(header::ACCEPT).unwrap_or_default();
    if accepted.contains("text/html") {
        // A page in a browser: it loads nothing and runs nothing.
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        let headers =
            [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
        return Ok((headers, receipt.html(lang)).into_response());
    }
    if accepted.contains("text/plain") {
        return Ok(
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], receipt.text(lang)).into_response()
        );
    }
    Ok(Json(receipt.json(lang)).into_response())
}

/// The event by which the claim was registered, and where it stands.
fn registration(app: &App, id: ClaimId) -> Result<(Envelope, Registered, Place), Problem> {
    for position in app.readers.timeline.positions(&[Source::Own(id.into())])?.value {
        let Some(commit) = app.log.commit_of(position)? else { continue };
        let Some(line) = commit.line_at(position) else { continue };
        let Recorded::Known(envelope) = Recorded::from_line(line)? else { continue };
        let Event::Claim(ClaimEvent::Registered(registered)) = &envelope.event else { continue };
        let place = Place {
            position,
            event: envelope.meta.id,
            event_digest: Digest::of(line),
            commit: commit.header().commit,
            commit_digest: commit.digest(),
        };
        let registered = registered.clone();
        return Ok((envelope, registered, place));
    }
    Err(Problem::not_found())
}

/// The claimant's name; opening it is on record before it happens.
async fn claimant(app: &App, worker: WorkerId, purpose: Purpose) -> Result<Option<String>, Problem> {
    let Some(row) = app.readers.directory.worker(worker)?.value else { return Ok(None) };
    let Some(person) = app.readers.directory.person(row.person)?.value else { return Ok(None) };
    let sealed = person.known.sealed.get(&PersonField::Name).cloned();
    let Some((sealed, sealed_by)) = sealed.zip(person.sealed_by.get(&PersonField::Name).copied()) else {
        return Ok(None);
    };
    let opened = app.vault.at(move |vault| {
        let label = person_label(PersonField::Name);
        vault.open_sealed(&sealed, sealed_by, label, &purpose).map(|it| it.expose().to_owned())
    });
    opened.await?.map(Some).map_err(|error| not_opened(&error))
}
