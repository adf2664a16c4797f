//! The documents that programs read: OpenAPI 3.1 of the routes, JSON Schema of events and commands.
//!
//! Both come from the registries of commands and events; nothing here is written twice.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::Path;
use linggong_engine::command::{About, Command, CommandType, PersonalShape};
use linggong_engine::matching::Explanation;
use linggong_events::audience::Department;
use linggong_events::envelope::{Channel, FiledBasis};
use linggong_events::event::Event;
use linggong_events::id::{
    ActorId, CaseId, ClaimId, CommandId, EmployerId, EntityRef, EventId, HireId, Kind, MarketId, OfficeId,
    PersonId, PostingId, WageId, WorkerId,
};
use linggong_events::mandate::Mandate;
use linggong_events::matching::Exclusion;
use linggong_events::measure::{Position, Version};
use linggong_events::occupation::Occupation;
use linggong_events::office::Role;
use linggong_events::person::PersonField;
use linggong_events::region::Region;
use linggong_events::rules::PackKind;
use linggong_events::time::{Date, Timestamp};
use linggong_projections::case_history::{CaseHistory, CaseRow, ClaimHistory, ClaimRow};
use linggong_projections::directory::{EmployerRow, MarketRow, WorkerRow};
use linggong_projections::hiring_ledger::HireRow;
use linggong_projections::insured::InsuredRow;
use linggong_projections::morning_board::{Board, QueueRow};
use linggong_projections::open_postings::PostingRow;
use linggong_projections::sources::SourceRow;
use linggong_projections::staff::{GrantRow, ProposedRow};
use linggong_projections::wage_protection_board::{
    AgedWage, Ageing, Bucket, EmployerArrears, RegionArrears, WageRow, WarningSum, WorkerArrears,
};
use linggong_projections::{Cursor, Order};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::glossary::{self, Lang};
use crate::http::{Problem, ROUTES, ReceiptAnswer, Route};
use crate::projection_task::ViewState;
use crate::vault::{ClearPerson, ClearRevision, ClearText, MediaType, PurposeKind};

/// The registry of commands: names, roles, which fields are sealed, and the form of the body.
pub(crate) async fn registry() -> Json<Value> {
    let items: Vec<Value> = Command::types()
        .map(|it| {
            let personal: Vec<_> = it.personal.iter().map(|field| field.name).collect();
            json!({ "name": it.name(), "roles": it.roles, "sealed": personal })
        })
        .collect();
    Json(json!({ "items": items }))
}

/// The document itself.
pub(crate) async fn answer() -> Json<Value> {
    Json(document())
}

/// The names of all event schemas.
pub(crate) async fn schemas() -> Json<Value> {
    Json(json!({ "items": Event::types().map(|it| it.schema_name()).collect::<Vec<_>>() }))
}

/// The JSON Schema of one event type's data.
pub(crate) async fn schema(Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    event_schema(&name).map(Json).ok_or_else(Problem::not_found)
}

/// The JSON Schema 2020-12 of the data of `hire.agreed.v1`.
pub fn event_schema(name: &str) -> Option<Value> {
    let event_type = Event::types().find(|it| it.schema_name() == name)?;
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let schema = (event_type.schema)(&mut generator);
    let mut schema = serde_json::to_value(schema).ok()?;
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$id"] = json!(format!("/v1/schemas/{name}"));
    schema["title"] = json!(name);
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema["$defs"] = Value::Object(definitions);
    }
    Some(schema)
}

/// The form of a command's body on the wire: personal fields are in clear there.
fn body_schema(command: &CommandType, generator: &mut SchemaGenerator) -> Value {
    let mut schema = serde_json::to_value((command.schema)(generator)).unwrap_or_default();
    for field in command.personal {
        let clear = match field.shape {
            PersonalShape::Person => generator.subschema_for::<ClearPerson>(),
            PersonalShape::Text => generator.subschema_for::<ClearText>(),
            PersonalShape::Revision => generator.subschema_for::<ClearRevision>(),
            PersonalShape::Card => card_number(),
        };
        schema["properties"][field.name] = serde_json::to_value(clear).unwrap_or_default();
    }
    for field in command.scanned {
        take_cards(&mut schema, field.path, generator);
    }
    schema["properties"]["about"] =
        serde_json::to_value(generator.subschema_for::<About>()).unwrap_or_default();
    schema
}

fn card_number() -> Schema {
    schemars::json_schema!({ "type": "string", "minLength": 4, "maxLength": 64, "writeOnly": true })
}

/// Lets a card stand where an id stands, also within a shared form, which is written out for it.
fn take_cards(schema: &mut Value, path: &str, generator: &SchemaGenerator) {
    if let Some((outer, inner)) = path.split_once('.') {
        let shared = schema["properties"][outer]["$ref"].as_str().and_then(|it| it.rsplit('/').next());
        if let Some(form) = shared.and_then(|it| generator.definitions().get(it)) {
            schema["properties"][outer] = form.clone();
        }
        return take_cards(&mut schema["properties"][outer], inner, generator);
    }
    let property = &mut schema["properties"][path];
    let place = if property["items"].is_object() { &mut property["items"] } else { property };
    let card = json!({ "type": "object", "required": ["card"], "additionalProperties": false,
        "description": "到场卡: a scanned card in place of its holder's id.",
        "properties": { "card": card_number() } });
    *place = json!({ "anyOf": [place.take(), card] });
}

/// What the document says of one route besides what the route itself says.
struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Names of shared parameters, see [`parameters`].
    query: &'static [&'static str],
    body: Body,
    answer: Answer,
    /// Whether it is answered without a token.
    open: bool,
}

/// What a request carries.
enum Body {
    Nothing,
    Opening,
    Why,
    DepartmentKey,
    Evidence,
    Pack,
}

/// What a request gets when all is well.
enum Answer {
    Json(fn(&mut SchemaGenerator) -> Value),
    Text(&'static str),
    Evidence,
    ClaimReceipt,
    Accepted,
}

const fn read(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    answer: fn(&mut SchemaGenerator) -> Value,
) -> Operation {
    let answer = Answer::Json(answer);
    Operation { method: "get", path, id, summary, query, body: Body::Nothing, answer, open: false }
}

const fn act(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    body: Body,
    answer: Answer,
) -> Operation {
    Operation { method, path, id, summary, query, body, answer, open: false }
}

const fn open(path: &'static str, id: &'static str, summary: &'static str, answer: Answer) -> Operation {
    Operation { method: "get", path, id, summary, query: &[], body: Body::Nothing, answer, open: true }
}

/// The generic route of commands; the document shows one path for each command instead.
const COMMAND_PATH: &str = "/v1/commands/{name}";

const PAGE: &[&str] = &["limit", "after", "before", "order"];

const ONE: &[&str] = &["as_known", "as_happened", "at_least"];

const OPERATIONS: &[Operation] = &[
    open(
        "/v1/commands",
        "listCommands",
        "命令目录 The registry of commands",
        Answer::Json(|_| {
            items(&json!({
                "type": "object", "required": ["name", "roles", "sealed"],
                "properties": {
                    "name": { "type": "string" },
                    "roles": { "type": "array", "items": { "type": "string" } },
                    "sealed": { "type": "array", "items": { "type": "string" } },
                },
            }))
        }),
    ),
    read(
        "/v1/receipts/{command}",
        "readReceipt",
        "回执 The receipt of one's own command",
        &[],
        of::<ReceiptAnswer>,
    ),
    read("/v1/markets", "listMarkets", "零工市场 Markets", &["region", "at_least"], |generator| {
        let rows = of::<Vec<MarketRow>>(generator);
        object(&[("items", rows), ("position", of::<Position>(generator))])
    }),
    read(
        "/v1/markets/{market}/board",
        "readBoard",
        "早市看板: 到场、已派、未派 The morning board of a market",
        &["date", "limit", "after", "before", "order", "at_least"],
        |generator| {
            object(&[
                ("market", of::<MarketRow>(generator)),
                ("board", of::<Board>(generator)),
                ("queue", list::<QueueRow>(generator)),
                ("position", of::<Position>(generator)),
            ])
        },
    ),
    read(
        "/v1/postings",
        "listPostings",
        "在招岗位 Open postings, or those under review",
        &[
            "region",
            "occupation",
            "date",
            "employer",
            "market",
            "posting_state",
            "limit",
            "after",
            "before",
            "order",
            "at_least",
        ],
        list::<PostingRow>,
    ),
    read("/v1/postings/{id}", "readPosting", "一个岗位 One posting", ONE, at::<PostingRow>),
    read(
        "/v1/postings/{id}/explain",
        "explainPosting",
        "为什么推荐或不推荐 Why a worker is or is not proposed",
        &["worker", "as_known", "as_happened", "at_least"],
        |generator| {
            let mut one = of::<Explanation>(generator);
            let words = json!({ "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2,
                "description": "The rule in Chinese and English, where one excludes the worker." });
            one = json!({ "allOf": [one, { "type": "object", "properties": { "words": words } }] });
            let all = object(&[
                ("considered", json!({ "type": "integer", "minimum": 0 })),
                ("excluded", of::<Vec<Exclusion>>(generator)),
            ]);
            json!({ "anyOf": [one, all] })
        },
    ),
    read(
        "/v1/hires",
        "listHires",
        "招工用工登记台账 The hiring ledger",
        &[
            "region",
            "occupation",
            "date",
            "employer",
            "worker",
            "posting",
            "limit",
            "after",
            "before",
            "order",
            "at_least",
        ],
        list::<HireRow>,
    ),
    read("/v1/hires/{id}", "readHire", "一次用工 One hire", ONE, at::<HireRow>),
    read("/v1/hires/{id}/cover", "readCover", "一次用工的参保 The cover of one hire", ONE, at::<InsuredRow>),
    read(
        "/v1/wages",
        "listWages",
        "工钱 Wages, the unpaid ones unless all are asked for",
        &[
            "region",
            "employer",
            "worker",
            "bucket",
            "wage_state",
            "limit",
            "after",
            "before",
            "order",
            "at_least",
        ],
        list::<AgedWage>,
    ),
    read(
        "/v1/wages/summary",
        "sumWages",
        "欠薪汇总 Arrears by age, region, employer, worker or warning",
        &["by", "region", "employer", "worker", "limit", "after", "before", "order", "at_least"],
        |generator| {
            json!({ "anyOf": [
            at::<Vec<Ageing>>(generator), at::<Vec<RegionArrears>>(generator), list::<EmployerArrears>(generator),
            at::<Vec<WorkerArrears>>(generator), at::<Vec<WarningSum>>(generator),
        ] })
        },
    ),
    read("/v1/wages/{id}", "readWage", "一笔工钱 One wage", ONE, at::<WageRow>),
    read(
        "/v1/insurances",
        "listInsurances",
        "参保与缺口 Cover of hires, or only the gaps",
        &["gaps", "region", "employer", "worker", "limit", "after", "before", "order", "at_least"],
        list::<InsuredRow>,
    ),
    read(
        "/v1/claims",
        "listClaims",
        "欠薪反映 Claims",
        &["region", "employer", "worker", "limit", "after", "before", "order", "at_least"],
        list::<ClaimRow>,
    ),
    read(
        "/v1/claims/{id}",
        "readClaim",
        "一件反映及其经过 One claim and its history",
        ONE,
        at::<ClaimHistory>,
    ),
    act(
        "post",
        "/v1/claims/{id}/receipt",
        "printClaimReceipt",
        "登记回执 The receipt of a claim, to be printed; it opens the claimant's name for a stated purpose",
        &[],
        Body::Why,
        Answer::ClaimReceipt,
    ),
    read(
        "/v1/cases",
        "listCases",
        "案件 Cases, or those with a deadline by the nearest one",
        &["case_state", "region", "employer", "worker", "limit", "after", "before", "order", "at_least"],
        list::<CaseRow>,
    ),
    read("/v1/cases/{id}", "readCase", "一个案件及其经过 One case and its history", ONE, at::<CaseHistory>),
    read("/v1/workers/{id}", "readWorker", "一名零工 One worker", ONE, at::<WorkerRow>),
    read("/v1/employers/{id}", "readEmployer", "一个用人主体 One employer", ONE, at::<EmployerRow>),
    read(
        "/v1/timelines/{kind}/{id}",
        "readTimeline",
        "时间线 The events that touch one thing",
        &["as_known", "as_happened", "limit", "after", "before", "order", "at_least"],
        |generator| {
            let positions = of::<Vec<Position>>(generator);
            page(
                &object(&[("event", event()), ("causes", positions.clone()), ("effects", positions)]),
                generator,
            )
        },
    ),
    read(
        "/v1/events",
        "listEvents",
        "事件 Events as they were written",
        &["after_position", "before_position", "limit", "type", "at_least"],
        events,
    ),
    act(
        "get",
        "/v1/events/stream",
        "streamEvents",
        "事件流 Events as they come, by server-sent events",
        &["after_position", "type", "last_event_id"],
        Body::Nothing,
        Answer::Text("text/event-stream"),
    ),
    read("/v1/events/{position}", "readEvent", "一条事件 One event", &[], |_| event()),
    read("/v1/events/{position}/causes", "listCauses", "起因 What caused an event", &[], events),
    read("/v1/events/{position}/effects", "listEffects", "后果 What an event caused", PAGE, events),
    act(
        "post",
        "/v1/persons/{id}/open",
        "openPerson",
        "打开封存的个人信息 Open sealed fields for a stated purpose",
        &[],
        Body::Opening,
        Answer::Json(|_| json!({ "type": "object", "additionalProperties": { "type": "string" } })),
    ),
    act(
        "post",
        "/v1/sealed/{position}/{field}/open",
        "openText",
        "打开封存的文字 Open the sealed text in one field of an event for a stated purpose",
        &[],
        Body::Why,
        Answer::Json(|_| json!({ "type": "object", "additionalProperties": { "type": "string" } })),
    ),
    act(
        "post",
        "/v1/evidence/{digest}/open",
        "openEvidence",
        "打开证据 Read a piece of evidence for a stated purpose",
        &[],
        Body::Why,
        Answer::Evidence,
    ),
    act(
        "post",
        "/v1/evidence",
        "storeEvidence",
        "存入证据 Store a piece of evidence",
        &["about"],
        Body::Evidence,
        Answer::Json(|_| {
            object(&[("digest", digest()), ("bytes", json!({ "type": "integer", "minimum": 0 }))])
        }),
    ),
    act(
        "post",
        "/v1/departments/{department}/key",
        "issueDepartmentKey",
        "交付部门密钥 Hand a department the key of its person tokens, or a new version of it",
        &[],
        Body::DepartmentKey,
        Answer::Json(|generator| {
            object(&[
                ("department", of::<Department>(generator)),
                ("version", json!({ "type": "integer", "minimum": 1 })),
                ("algorithm", json!({ "type": "string", "const": "hmac-sha256" })),
                ("key", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{43}$" })),
            ])
        }),
    ),
    read(
        "/v1/accesses",
        "listAccesses",
        "查阅记录 Who opened what, and where the record ends",
        &["limit", "after_position", "before_position"],
        |generator| {
            let head = object(&[
                ("commit", json!({ "type": "integer", "minimum": 0 })),
                ("digest", json!({ "type": "string" })),
            ]);
            let records = json!({ "type": "array", "items": { "type": "object" } });
            object(&[
                ("items", records),
                ("next", of::<Option<Position>>(generator)),
                ("prev", of::<Option<Position>>(generator)),
                ("head", head),
            ])
        },
    ),
    read(
        "/v1/staff",
        "listStaff",
        "人员 Who may act as what, where, by what authority",
        &["staff_state", "limit", "after", "before", "order", "at_least"],
        |generator| {
            let row = json!({ "anyOf": [of::<GrantRow>(generator), of::<ProposedRow>(generator)] });
            page(&row, generator)
        },
    ),
    act(
        "put",
        "/v1/packs",
        "storePack",
        "存入规则包 Store a rule pack, to be adopted later",
        &["pack_kind"],
        Body::Pack,
        Answer::Json(|_| object(&[("name", json!({ "type": "string" })), ("digest", digest())])),
    ),
    read(
        "/v1/sources/{digest}",
        "readSource",
        "已登记的导入行 The rows of a file that are recorded already",
        &[],
        |generator| {
            object(&[("rows", of::<Vec<SourceRow>>(generator)), ("position", of::<Position>(generator))])
        },
    ),
    act(
        "put",
        "/v1/sources/{digest}",
        "storeSource",
        "存入导入的原表 Store a file before its rows are imported, under the SHA-256 of its bytes",
        &[],
        Body::Evidence,
        Answer::Json(|_| {
            object(&[
                ("digest", digest()),
                ("evidence", digest()),
                ("bytes", json!({ "type": "integer", "minimum": 0 })),
            ])
        }),
    ),
    read("/v1/log/head", "readHead", "日志末端与签名 The end of the log, signed", &[], |generator| {
        let number = || json!({ "type": "integer", "minimum": 0 });
        let text = || json!({ "type": "string" });
        object(&[
            ("commit", number()),
            ("epoch", number()),
            ("position", of::<Position>(generator)),
            ("digest", text()),
            ("signed", text()),
            ("public_key", text()),
        ])
    }),
    read("/v1/log/seal-day", "sealDay", "日结单 The sheet that closes a day", &["date"], |generator| {
        let number = || json!({ "type": "integer", "minimum": 0 });
        let text = || json!({ "type": "string" });
        let access = object(&[("commit", number()), ("digest", text())]);
        object(&[
            ("date", of::<Date>(generator)),
            ("closed", json!({ "type": "boolean" })),
            ("count", number()),
            ("first", of::<Option<Position>>(generator)),
            ("last", of::<Position>(generator)),
            ("signed_head", json!({ "type": ["string", "null"] })),
            ("public_key", text()),
            ("access_log", access),
            ("sheet", text()),
            ("demo", json!({ "type": "boolean" })),
        ])
    }),
    read("/v1/projections", "listProjections", "视图 The views and how far they are", &[], |generator| {
        let number = || json!({ "type": "integer", "minimum": 0 });
        let view = object(&[
            ("name", json!({ "type": "string" })),
            ("version", number()),
            ("position", of::<Position>(generator)),
            ("lag", number()),
            ("state", view_state()),
            ("trouble", json!({ "type": ["string", "null"] })),
            ("rebuilt", number()),
            ("rebuilding", of::<Option<Position>>(generator)),
            ("rebuild_failed", json!({ "type": ["string", "null"] })),
        ]);
        object(&[
            ("items", json!({ "type": "array", "items": view })),
            ("position", of::<Position>(generator)),
        ])
    }),
    act(
        "post",
        "/v1/projections/{name}/rebuild",
        "rebuildProjection",
        "重建视图 Build a view anew",
        &[],
        Body::Nothing,
        Answer::Accepted,
    ),
    open(
        "/v1/schemas",
        "listSchemas",
        "事件模式目录 The names of event schemas",
        Answer::Json(|_| items(&json!({ "type": "string" }))),
    ),
    open(
        "/v1/schemas/{name}",
        "readSchema",
        "事件模式 The JSON Schema of one type of event",
        Answer::Json(|_| json!({ "type": "object" })),
    ),
    open(
        "/v1/openapi.json",
        "readDocument",
        "接口文档 This document",
        Answer::Json(|_| json!({ "type": "object" })),
    ),
    open("/healthz", "isAlive", "存活 Whether the process runs", Answer::Text("text/plain")),
    open(
        "/readyz",
        "isReady",
        "就绪 Whether commands are taken and no view stands still",
        Answer::Json(ready),
    ),
    open("/metrics", "readMetrics", "指标 Metrics for Prometheus", Answer::Text("text/plain")),
];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// An object that has all of these.
fn object(properties: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = properties.iter().map(|it| it.0).collect();
    let properties: Map<String, Value> =
        properties.iter().map(|it| (it.0.to_owned(), it.1.clone())).collect();
    json!({ "type": "object", "required": names, "properties": properties })
}

fn items(item: &Value) -> Value {
    object(&[("items", json!({ "type": "array", "items": item }))])
}

/// One thing of a view, and the last event that the view takes into account.
fn at<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    object(&[("position", of::<Position>(generator)), ("value", of::<T>(generator))])
}

/// A page of rows of a view.
fn list<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let row = of::<T>(generator);
    page(&row, generator)
}

fn page(item: &Value, generator: &mut SchemaGenerator) -> Value {
    let mut page = items(item);
    page["required"] = json!(["items", "position"]);
    page["properties"]["next"] = of::<Option<Cursor>>(generator);
    page["properties"]["prev"] = of::<Option<Cursor>>(generator);
    page["properties"]["position"] = of::<Position>(generator);
    page
}

fn event() -> Value {
    json!({ "$ref": "#/components/schemas/Event" })
}

fn events(generator: &mut SchemaGenerator) -> Value {
    let mut page = page(&event(), generator);
    page["properties"]["next"] = of::<Position>(generator);
    page["properties"]["prev"] = of::<Position>(generator);
    page
}

fn digest() -> Value {
    json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })
}

fn ready(generator: &mut SchemaGenerator) -> Value {
    let view = object(&[
        ("name", json!({ "type": "string" })),
        ("state", view_state()),
        ("position", of::<Position>(generator)),
        ("trouble", json!({ "type": ["string", "null"] })),
    ]);
    object(&[
        ("ready", json!({ "type": "boolean" })),
        ("partition", json!({ "type": "string" })),
        ("views", json!({ "type": "array", "items": view })),
        ("room", json!({ "type": "string", "enum": ["enough", "low", "out"] })),
        ("clock_held", json!({ "type": "boolean" })),
        ("read_only", json!({ "type": ["string", "null"] })),
    ])
}

fn view_state() -> Value {
    json!({ "type": "string", "enum": ViewState::ALL.map(ViewState::word) })
}

/// The OpenAPI 3.1 document of every route.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths = Map::new();
    for route in ROUTES {
        if route.path == COMMAND_PATH {
            for command in Command::types() {
                let path = COMMAND_PATH.replace("{name}", &command.name());
                paths.insert(path, json!({ route.method: command_operation(command, &mut generator) }));
            }
        } else if let Some(operation) = operation_of(route) {
            let path = paths.entry(route.path).or_insert_with(|| json!({}));
            path[route.method] = described(operation, &mut generator);
        }
    }
    let parameters = parameters(&mut generator);
    let event = event_form(&mut generator);
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Event".into(), event);
    schemas.insert("Problem".into(), problem_form());
    let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    let problem = json!({ "description": "A problem", "content": { "application/problem+json": problem } });
    keep_named(&mut schemas, &json!([paths, parameters, problem]));
    let tags = ["read", "operate"].into_iter().chain(Kind::ALL.iter().map(|it| it.name()));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "linggong", "version": env!("CARGO_PKG_VERSION"),
            "description": "零工市场撮合与欠薪案件: 一条通用的命令路径, 若干只读资源。Every action is an immutable event. \
                 A demo log says so in the header `Linggong-Log` of every answer, and by a member `demo` in what is kept.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "contact": { "name": "linggong maintainers" },
        },
        "servers": [{ "url": "http://127.0.0.1:7311" }],
        "security": [{ "token": [] }],
        "tags": tags.map(|name| json!({ "name": name, "description": name })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "parameters": parameters,
            "responses": { "Problem": problem },
            "schemas": schemas,
        },
    })
}

/// Drops the schemas that nothing leads to from `roots`: the sealed forms, which no client sends.
fn keep_named(schemas: &mut Map<String, Value>, roots: &Value) {
    let (mut named, mut open) = (BTreeSet::new(), vec![roots]);
    while let Some(value) = open.pop() {
        if let Some(name) = value["$ref"].as_str().and_then(|it| it.strip_prefix("#/components/schemas/"))
            && named.insert(name.to_owned())
        {
            open.extend(schemas.get(name));
        }
        open.extend(value.as_array().into_iter().flatten());
        open.extend(value.as_object().into_iter().flat_map(Map::values));
    }
    schemas.retain(|name, _| named.contains(name));
}

fn operation_of(route: &Route) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|it| it.path == route.path && it.method == route.method)
}

fn command_operation(command: &CommandType, generator: &mut SchemaGenerator) -> Value {
    let name = command.name();
    let schema = body_schema(command, generator);
    let words = [Lang::Zh, Lang::En].map(|lang| glossary::label("commands", &name, lang).unwrap_or(&name));
    let roles = serde_json::to_value(command.roles).unwrap_or_default();
    let roles: Vec<&str> = roles.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let what = schema["description"].as_str().unwrap_or_default();
    json!({
        "operationId": name.replace('.', "_"),
        "summary": words.join(" "),
        "description": format!("{what}\n\nRoles: {}.", roles.join(", ")).trim_start(),
        "tags": [command.kind.name()],
        "parameters": [
            { "$ref": "#/components/parameters/idempotency_key" }, { "$ref": "#/components/parameters/role" },
            { "$ref": "#/components/parameters/office" },
        ],
        "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } },
        "responses": responses(json_answer(&of::<ReceiptAnswer>(generator)), &["409", "413", "422"]),
    })
}

fn described(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let names = operation.path.split('/').filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'));
    let in_path: Vec<Value> = names
        .map(|name| {
            let schema = path_parameter(operation.path, name, generator);
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    let asking: &[&str] = if operation.open { &[] } else { &["role", "office"] };
    let shared = operation.query.iter().chain(asking);
    let shared = shared.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }));
    let body = match operation.body {
        Body::Nothing => None,
        Body::Opening => Some(json!({ "application/json": { "schema": opening(generator) } })),
        Body::Why => Some(json!({ "application/json": { "schema": why(generator) } })),
        Body::DepartmentKey => Some(json!({ "application/json": { "schema": {
            "type": "object", "additionalProperties": false,
            "properties": { "rotate_from": { "type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX,
                "description": "Makes a new version, where this one is in force." } },
        } } })),
        Body::Evidence => Some(media_types(generator)),
        Body::Pack => Some(json!({ "application/toml": { "schema": { "type": "string" } } })),
    };
    let good = match operation.answer {
        Answer::Json(schema) => json_answer(&schema(generator)),
        Answer::Text(media) => {
            json!({ "200": { "description": "Done", "content": { media: { "schema": { "type": "string" } } } } })
        }
        Answer::Evidence => json!({ "200": { "description": "Done", "content": media_types(generator) } }),
        Answer::ClaimReceipt => {
            let text = json!({ "schema": { "type": "string" } });
            let form = json!({ "schema": claim_receipt(generator) });
            let content = json!({ "application/json": form, "text/html": text, "text/plain": text });
            json!({ "200": { "description": "Done", "content": content } })
        }
        Answer::Accepted => json!({ "202": { "description": "Begun" } }),
    };
    let tag = if operation.method == "get" { "read" } else { "operate" };
    let mut said = json!({
        "operationId": operation.id, "summary": operation.summary, "description": operation.summary, "tags": [tag],
        "parameters": in_path.into_iter().chain(shared).collect::<Vec<_>>(),
    });
    said["responses"] = match (operation.path, operation.open, &body) {
        ("/readyz", ..) => {
            let mut both = good;
            both["503"] = both["200"].clone();
            both["503"]["description"] = json!("Not ready, and why");
            both
        }
        ("/v1/schemas/{name}", ..) => with_problems(good, &["404"]),
        (_, true, _) => good,
        ("/v1/departments/{department}/key", ..) => responses(good, &["409", "413", "415", "422"]),
        (_, false, None) => responses(good, &["422"]),
        (_, false, Some(_)) => responses(good, &["413", "415", "422"]),
    };
    if let Some(content) = body {
        said["requestBody"] = json!({ "required": true, "content": content });
    }
    if operation.open {
        said["security"] = json!([]);
    }
    said
}

fn path_parameter(path: &str, name: &str, generator: &mut SchemaGenerator) -> Value {
    let resource = path.trim_start_matches("/v1/").split('/').next().unwrap_or_default();
    match (resource, name) {
        ("receipts", _) => of::<CommandId>(generator),
        ("markets", _) => of::<MarketId>(generator),
        ("postings", _) => of::<PostingId>(generator),
        ("hires", _) => of::<HireId>(generator),
        ("wages", _) => of::<WageId>(generator),
        ("claims", _) => of::<ClaimId>(generator),
        ("cases", _) => of::<CaseId>(generator),
        ("workers", _) => of::<WorkerId>(generator),
        ("employers", _) => of::<EmployerId>(generator),
        ("persons", _) => of::<PersonId>(generator),
        ("departments", _) => of::<Department>(generator),
        ("events", _) | ("sealed", "position") => of::<Position>(generator),
        ("timelines", "kind") => {
            json!({ "type": "string", "enum": Kind::ALL.iter().map(|it| it.name()).collect::<Vec<_>>() })
        }
        ("timelines", _) => json!({ "type": "string", "format": "uuid" }),
        (_, "digest") => json!({ "type": "string", "pattern": "^(sha256:)?[0-9a-f]{64}$" }),
        (_, _) => json!({ "type": "string" }),
    }
}

/// The codes of an enum, by its schema.
fn codes(schema: &Value) -> Vec<String> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let single = schema["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|it| it.get("const").into_iter().chain(it["enum"].as_array().into_iter().flatten()));
    listed.chain(single).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Every media type that evidence may have, its bytes being the body.
fn media_types(generator: &mut SchemaGenerator) -> Value {
    let types = codes(&MediaType::json_schema(generator).to_value());
    types.into_iter().map(|it| (it, json!({}))).collect::<Map<_, _>>().into()
}

/// What opening one sealed text or one piece of evidence asks for.
fn why(generator: &mut SchemaGenerator) -> Value {
    json!({
        "type": "object", "required": ["purpose"], "additionalProperties": false,
        "properties": { "purpose": of::<PurposeKind>(generator), "case": of::<Option<CaseId>>(generator) },
    })
}

/// The receipt of a claim for programs: `log verify --against` takes it, `text` is the page.
fn claim_receipt(generator: &mut SchemaGenerator) -> Value {
    object(&[
        ("demo", json!({ "type": "boolean" })),
        ("claim", of::<ClaimId>(generator)),
        ("position", of::<Position>(generator)),
        ("event", of::<EventId>(generator)),
        ("event_digest", digest()),
        ("commit", json!({ "type": "integer", "minimum": 1 })),
        ("commit_digest", digest()),
        ("text", json!({ "type": "string" })),
    ])
}

/// What opening sealed fields asks for.
fn opening(generator: &mut SchemaGenerator) -> Value {
    json!({
        "type": "object", "required": ["fields", "purpose"], "additionalProperties": false,
        "properties": {
            "fields": of::<Vec<PersonField>>(generator), "purpose": of::<PurposeKind>(generator),
            "case": of::<Option<CaseId>>(generator),
        },
    })
}

/// An event on the wire: CloudEvents 1.0 with our attributes.
fn event_form(generator: &mut SchemaGenerator) -> Value {
    let text = || json!({ "type": "string" });
    let mut form = object(&[
        ("specversion", json!({ "type": "string", "const": "1.0" })),
        ("id", of::<EventId>(generator)),
        ("source", text()),
        ("type", text()),
        ("subject", of::<EntityRef>(generator)),
        ("time", of::<Timestamp>(generator)),
        ("datacontenttype", json!({ "type": "string", "const": "application/json" })),
        ("dataschema", text()),
        ("position", of::<Position>(generator)),
        ("version", of::<Version>(generator)),
        ("occurredat", of::<Timestamp>(generator)),
        ("region", of::<Region>(generator)),
        ("actor", of::<ActorId>(generator)),
        ("role", of::<Role>(generator)),
        ("channel", of::<Channel>(generator)),
        ("data", json!({ "type": "object", "description": "Of the form that `dataschema` names." })),
    ]);
    let optional = [
        ("receivedat", of::<Timestamp>(generator)),
        ("filedat", of::<Timestamp>(generator)),
        ("filedbasis", of::<FiledBasis>(generator)),
        ("office", of::<OfficeId>(generator)),
        ("onbehalfof", of::<PersonId>(generator)),
        ("mandate", of::<Mandate>(generator)),
        ("sourcedoc", text()),
        ("basedon", of::<Position>(generator)),
        ("commandid", of::<CommandId>(generator)),
        ("commanddigest", text()),
        ("causation", of::<EventId>(generator)),
        ("correlation", json!({ "type": "string", "format": "uuid" })),
        ("touches", text()),
        ("audience", text()),
        ("rules", text()),
    ];
    for (name, schema) in optional {
        form["properties"][name] = schema;
    }
    form["description"] =
        json!("An event as it was written: CloudEvents 1.0 with the attributes of this log.");
    form
}

fn problem_form() -> Value {
    let text = || json!({ "type": "string" });
    object(&[
        ("type", text()),
        ("title", text()),
        ("status", json!({ "type": "integer" })),
        ("code", text()),
        ("detail", text()),
    ])
}

fn json_answer(schema: &Value) -> Value {
    json!({ "200": { "description": "Done", "content": { "application/json": { "schema": schema } } } })
}

/// Good answers, with the problems that any request with a token may meet, and `more`.
fn responses(good: Value, more: &[&str]) -> Value {
    with_problems(with_problems(good, &["400", "401", "403", "404", "500", "503"]), more)
}

fn with_problems(mut responses: Value, statuses: &[&str]) -> Value {
    for status in statuses {
        responses[*status] = json!({ "$ref": "#/components/responses/Problem" });
    }
    responses
}

/// The names of the parameters that a route's query may have.
pub(crate) fn query_of(method: &str, path: &str) -> Vec<&'static str> {
    let of = OPERATIONS.iter().find(|it| it.path == path && it.method.eq_ignore_ascii_case(method));
    let keys = of.into_iter().flat_map(|it| it.query.iter().copied());
    // The one header among the shared parameters of queries.
    keys.filter(|key| *key != "last_event_id").map(parameter_name).collect()
}

/// The name of a shared parameter, of which several may have one.
fn parameter_name(key: &'static str) -> &'static str {
    match key {
        "posting_state" | "wage_state" | "staff_state" | "case_state" => "state",
        "after_position" => "after",
        "before_position" => "before",
        "pack_kind" => "kind",
        own => own,
    }
}

fn parameters(generator: &mut SchemaGenerator) -> Value {
    let text = || json!({ "type": "string" });
    let choice = |words: &[&str]| json!({ "type": "string", "enum": words });
    let only = "Only what has this.";
    let position = of::<Position>(generator);
    let query = [
        ("region", "region", "Only what lies in this division.", of::<Region>(generator)),
        ("occupation", "occupation", only, of::<Occupation>(generator)),
        ("employer", "employer", only, of::<EmployerId>(generator)),
        ("worker", "worker", only, of::<WorkerId>(generator)),
        ("market", "market", only, of::<MarketId>(generator)),
        ("posting", "posting", only, of::<PostingId>(generator)),
        ("bucket", "bucket", "Only what is that late.", of::<Bucket>(generator)),
        ("date", "date", "A civil date.", of::<Date>(generator)),
        (
            "posting_state",
            "state",
            "Open ones, those under review, or all of one employer.",
            choice(&["open", "review", "all"]),
        ),
        ("wage_state", "state", "The paid ones too.", choice(&["all"])),
        (
            "staff_state",
            "state",
            "Roles held, or those asked for that wait for a second officer of your office.",
            choice(&["granted", "proposed"]),
        ),
        ("case_state", "state", "Only those with a deadline, the nearest first.", choice(&["due"])),
        (
            "by",
            "by",
            "What to sum by; by age unless said.",
            choice(&["age", "region", "employer", "worker", "warning"]),
        ),
        ("gaps", "gaps", "Only gaps.", json!({ "type": "boolean" })),
        ("type", "type", "Only types that begin so: `wage.`, `wage.paid`.", text()),
        (
            "limit",
            "limit",
            "At most so many; 50 unless said.",
            json!({ "type": "integer", "minimum": 1, "maximum": 200 }),
        ),
        ("order", "order", "Which end comes first.", of::<Order>(generator)),
        ("after", "after", "The page after this cursor.", of::<Cursor>(generator)),
        ("before", "before", "The page before this cursor.", of::<Cursor>(generator)),
        ("after_position", "after", "After this position.", position.clone()),
        ("before_position", "before", "Before this position.", position.clone()),
        ("at_least", "at_least", "Wait until the views have reached this position.", position.clone()),
        ("as_known", "as_known", "As recorded up to this instant or position.", text()),
        ("as_happened", "as_happened", "As it had happened up to this instant.", text()),
    ];
    let mut all: Map<String, Value> = query
        .into_iter()
        .map(|(key, name, what, schema)| {
            (key.to_owned(), json!({ "name": name, "in": "query", "description": what, "schema": schema }))
        })
        .collect();
    for (key, name, what, schema) in [
        ("about", "about", "The entity it is about: `claim/<id>`.", of::<EntityRef>(generator)),
        ("pack_kind", "kind", "What kind of pack it is.", of::<PackKind>(generator)),
    ] {
        let parameter =
            json!({ "name": name, "in": "query", "required": true, "description": what, "schema": schema });
        all.insert(key.into(), parameter);
    }
    let header = |name: &str, required: bool, what: &str, schema: Value| json!({ "name": name, "in": "header", "required": required, "description": what, "schema": schema });
    let key = "A UUIDv7 that the client chooses; the same key and content get the same receipt.";
    let key = header("Idempotency-Key", true, key, json!({ "type": "string", "format": "uuid" }));
    let last = header("Last-Event-ID", false, "Go on after this position.", position);
    let role = header("Linggong-Role", false, "Which of one's roles to act in.", of::<Role>(generator));
    let office = header(
        "Linggong-Office",
        false,
        "At which office, for a role held at several.",
        of::<OfficeId>(generator),
    );
    all.extend([("idempotency_key".into(), key), ("last_event_id".into(), last)]);
    all.extend([("role".into(), role), ("office".into(), office)]);
    Value::Object(all)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_route_stands_in_the_document_and_nothing_else_does() {
        let document = document();
        let mut said = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let command = path.strip_prefix("/v1/commands/");
            assert!(command.is_none_or(|it| Command::find(it).is_some()), "no command for `{path}`");
            let path = if command.is_some() { COMMAND_PATH } else { path };
            said.extend(methods.as_object().unwrap().keys().map(|it| (it.clone(), path.to_owned())));
        }
        let routes: Vec<_> = ROUTES.iter().map(|it| (it.method.to_owned(), it.path.to_owned())).collect();
        assert_eq!(said, routes.iter().cloned().collect());
        assert_eq!(OPERATIONS.len() + 1, routes.len(), "an operation is described that no route has");
    }

    #[test]
    fn every_command_has_its_path_and_every_shared_parameter_is_there() {
        let document = document();
        for command in Command::types() {
            let path = COMMAND_PATH.replace("{name}", &command.name());
            assert!(document["paths"][&path]["post"].is_object(), "no path for `{path}`");
        }
        for name in OPERATIONS.iter().flat_map(|it| it.query) {
            assert!(document["components"]["parameters"][name].is_object(), "no parameter `{name}`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_the_name_that_the_document_gives_it() {
        let all = parameters(&mut SchemaSettings::draft2020_12().into_generator());
        for key in OPERATIONS.iter().flat_map(|it| it.query) {
            let of = &all[*key];
            assert!(of["in"] == "header" || of["name"] == parameter_name(key), "{key}: {of}");
        }
    }
}
