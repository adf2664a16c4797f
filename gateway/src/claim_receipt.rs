//! 登记回执: the page that a claimant takes along, from which anybody can check later that the claim stands in the log.

use linggong_events::claim::ClaimItem;
use linggong_events::commit::Digest;
use linggong_events::envelope::Filed;
use linggong_events::id::EventId;
use linggong_events::measure::Position;
use linggong_events::rules::DeadlineTrace;
use linggong_events::time::{Date, Timestamp};
use linggong_projections::case_history::{CaseRow, ClaimRow, Evidence};
use serde_json::{Value, json};

use crate::glossary::{Lang, label};

/// Where the registration of a claim stands in the log.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its place.
    pub position: Position,
    /// The event.
    pub event: EventId,
    /// The hash of its line.
    pub event_digest: Digest,
    /// The commit that holds it.
    pub commit: u64,
    /// The hash of that commit's bytes.
    pub commit_digest: Digest,
}

/// What a receipt of a claim says. It holds a name in clear and is never kept.
pub struct ClaimReceipt {
    /// Whether the log is a demo.
    pub demo: bool,
    /// The claim as it stands.
    pub claim: ClaimRow,
    /// Its evidence.
    pub evidence: Vec<Evidence>,
    /// The case that took it up.
    pub case: Option<CaseRow>,
    /// The claimant's name.
    pub name: Option<String>,
    /// The employer's name, where it is no natural person.
    pub employer: Option<String>,
    /// What was recorded with the registration.
    pub statement: String,
    /// When it was filed and what proves it.
    pub filed: Option<Filed>,
    /// When it reached us.
    pub received_at: Option<Timestamp>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// How the safe date was computed.
    pub safe_trace: Option<DeadlineTrace>,
    /// The mandate of whoever registered it for somebody else.
    pub mandate: Option<String>,
    /// Where it stands.
    pub place: Place,
    /// When it is printed.
    pub printed_at: Timestamp,
}

/// A part of the page: a heading, and lines of label and content.
struct Part {
    heading: &'static str,
    lines: Vec<(String, String)>,
}

impl ClaimReceipt {
    /// The receipt for programs; `log verify --against` takes it as it is. `text` is the page.
    pub fn json(&self, lang: Lang) -> Value {
        let Place { position, event, event_digest, commit, commit_digest } = &self.place;
        json!({
            "demo": self.demo, "claim": self.claim.claim, "position": position, "event": event,
            "event_digest": event_digest, "commit": commit, "commit_digest": commit_digest,
            "text": self.text(lang),
        })
    }

    /// The page as text.
    pub fn text(&self, lang: Lang) -> String {
        let mut page = format!("{}\n", word("title", lang));
        if self.demo {
            page += &format!("*** {} ***\n", demo_mark(lang));
        }
        for Part { heading, lines } in self.parts(lang) {
            page += &format!("\n[{}]\n", word(heading, lang));
            for (label, content) in lines {
                page += &format!("{label}: {content}\n");
            }
        }
        page += &format!("\n{}\n\n{}\n", word("no_effect", lang), self.signatures(lang));
        page
    }

    /// The page for a browser's printer; it asks for nothing from anywhere.
    pub fn html(&self, lang: Lang) -> String {
        let tag = match lang {
            Lang::Zh => "zh-CN",
            Lang::En => "en",
        };
        let title = escaped(word("title", lang));
        let mut page = format!(
            "<!doctype html>\n<html lang=\"{tag}\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<h1>{title}</h1>\n"
        );
        if self.demo {
            page += &format!("<p class=\"demo\">{}</p>\n", escaped(demo_mark(lang)));
        }
        for Part { heading, lines } in self.parts(lang) {
            page += &format!("<h2>{}</h2>\n<table>\n", escaped(word(heading, lang)));
            for (label, content) in lines {
                page += &format!("<tr><th>{}<td>{}\n", escaped(&label), escaped(&content));
            }
            page += "</table>\n";
        }
        let (note, signatures) = (escaped(word("no_effect", lang)), escaped(&self.signatures(lang)));
        page += &format!("<p>{note}</p>\n<p class=\"sign\">{signatures}</p>\n</html>\n");
        page
    }

    fn parts(&self, lang: Lang) -> Vec<Part> {
        let parts = [
            Part { heading: "who", lines: self.who(lang) },
            Part { heading: "when", lines: self.when(lang) },
            Part { heading: "what", lines: self.what(lang) },
            Part { heading: "evidence", lines: self.evidence(lang) },
            Part { heading: "deadlines", lines: self.deadlines(lang) },
            Part { heading: "proof", lines: self.proof(lang) },
        ];
        parts.into_iter().filter(|it| !it.lines.is_empty()).collect()
    }

    fn who(&self, lang: Lang) -> Vec<(String, String)> {
        let claim = &self.claim;
        let worker = format!("worker/{}", claim.worker);
        let claimant = self.name.as_ref().map_or_else(|| worker.clone(), |name| format!("{name} ({worker})"));
        let id = format!("employer/{}", claim.employer);
        let employer = self.employer.as_ref().map_or_else(|| id.clone(), |name| format!("{name} ({id})"));
        let external = claim.external.as_ref().map(|it| format!("{} {}", it.system, it.number));
        let number = self.case.as_ref().and_then(|it| it.number.clone());
        let lines = [
            ("claim", Some(claim.claim.to_string())),
            ("state", code("screens", "ClaimState", &claim.state, lang)),
            ("case_number", number),
            ("external", external),
            ("claimant", Some(claimant)),
            ("against", Some(employer)),
            ("mandate", self.mandate.clone()),
        ];
        told(lines, lang)
    }

    fn when(&self, lang: Lang) -> Vec<(String, String)> {
        let basis = self.filed.as_ref().and_then(|it| code("codes", "FiledBasis", &it.basis, lang));
        let lines = [
            ("filed", Some(local(self.claim.filed_at))),
            ("filed_basis", basis.or_else(|| Some(word("filed_as_told", lang).to_owned()))),
            ("received", self.received_at.map(local)),
            ("recorded", Some(local(self.recorded_at))),
            ("printed", Some(local(self.printed_at))),
        ];
        told(lines, lang)
    }

    fn what(&self, lang: Lang) -> Vec<(String, String)> {
        let yuan = label("screens", "yuan", lang).unwrap_or("yuan");
        let item = |(n, it): (usize, &ClaimItem)| {
            let days = format!("{} – {}", it.from, it.until);
            (format!("{} {}", word("item", lang), n + 1), format!("{} {yuan}, {days}", it.amount))
        };
        let mut lines: Vec<_> = self.claim.items.iter().enumerate().map(item).collect();
        let track = code("codes", "Track", &self.claim.suggested_track, lang);
        lines.extend(told(
            [
                ("total", Some(format!("{} {yuan}", self.claim.total))),
                ("outstanding", Some(format!("{} {yuan}", self.claim.outstanding))),
                ("track", track),
                ("statement", Some(self.statement.clone())),
            ],
            lang,
        ));
        lines
    }

    fn evidence(&self, lang: Lang) -> Vec<(String, String)> {
        let line = |(n, it): (usize, &Evidence)| {
            let content = format!("{} {} ({} B, {})", it.digest, it.label, it.bytes, it.media_type);
            (format!("{} {}", word("piece", lang), n + 1), content)
        };
        let lines: Vec<_> = self.evidence.iter().enumerate().map(line).collect();
        if lines.is_empty() { told([("piece", Some(word("none", lang).to_owned()))], lang) } else { lines }
    }

    /// Each period with its article, and whether anything follows from it.
    fn deadlines(&self, lang: Lang) -> Vec<(String, String)> {
        let trace = |last_day: Date, trace: &DeadlineTrace| {
            let effect = word(if trace.verified { "effective" } else { "not_effective" }, lang);
            format!("{last_day}; {}; {}; {effect}", trace.citation, trace.length)
        };
        let mut lines = Vec::new();
        if let Some(date) = self.claim.safe_date {
            let content = self.safe_trace.as_ref().map_or_else(|| date.to_string(), |it| trace(date, it));
            lines.push((word("safe_date", lang).to_owned(), content));
        }
        for it in self.case.iter().flat_map(|it| &it.deadlines) {
            let content = match &it.trace {
                Some(found) => trace(it.last_day, found),
                None => format!("{}; {}", it.last_day, word("set_by_officer", lang)),
            };
            let state = code("screens", "DeadlineState", &it.state, lang).unwrap_or_default();
            lines.push((crate::glossary::deadline(&it.rule, lang), format!("{content}; {state}")));
        }
        lines
    }

    fn proof(&self, lang: Lang) -> Vec<(String, String)> {
        let Place { position, event, event_digest, commit, commit_digest } = &self.place;
        let kept = json!({ "commit": commit, "commit_digest": commit_digest });
        let lines = [
            ("position", Some(position.to_string())),
            ("event", Some(event.to_string())),
            ("event_digest", Some(event_digest.to_string())),
            ("commit", Some(commit.to_string())),
            ("commit_digest", Some(commit_digest.to_string())),
            ("keep", Some(kept.to_string())),
            ("check", Some("linggong log verify --data DIR --against receipt.json".to_owned())),
        ];
        told(lines, lang)
    }

    fn signatures(&self, lang: Lang) -> String {
        format!("{} ____________    {} ____________", word("officer", lang), word("claimant_signs", lang))
    }
}

/// Black on white, for A4; nothing is loaded.
const STYLE: &str = "@page{size:A4;margin:18mm}body{font:11pt/1.5 serif;color:#000;max-width:174mm;margin:auto}\
h1{font-size:18pt;text-align:center}h2{font-size:12pt;margin:1em 0 .2em;border-bottom:1px solid}\
table{width:100%;border-collapse:collapse}th{text-align:left;vertical-align:top;width:34mm;font-weight:normal}\
td{overflow-wrap:anywhere}tr{break-inside:avoid}.demo{border:2px solid;padding:.3em;text-align:center}\
.sign{margin-top:2em;white-space:pre-wrap}";

fn word(key: &str, lang: Lang) -> &'static str {
    label("screens", &format!("ClaimReceipt.{key}"), lang).unwrap_or_default()
}

fn demo_mark(lang: Lang) -> &'static str {
    label("screens", "demo_data", lang).unwrap_or("demo")
}

/// The lines that have a content, under their labels.
fn told<const N: usize>(lines: [(&str, Option<String>); N], lang: Lang) -> Vec<(String, String)> {
    lines.into_iter().filter_map(|(key, content)| Some((word(key, lang).to_owned(), content?))).collect()
}

/// A code by its label.
fn code(section: &str, name: &str, code: &impl serde::Serialize, lang: Lang) -> Option<String> {
    let code = serde_json::to_value(code).ok()?;
    let code = code.as_str()?;
    Some(label(section, &format!("{name}.{code}"), lang).unwrap_or(code).to_owned())
}

fn local(at: Timestamp) -> String {
    format!("{} (UTC+8)", at.local())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
