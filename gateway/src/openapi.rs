//! The documents that programs read: OpenAPI 3.1 of the routes, JSON Schema of events and commands.
//!
//! Both come from the registries of commands and events; nothing here is written twice.

use axum::Json;
use axum::extract::Path;
use linggong_engine::command::{About, Command, CommandType, PersonalShape};
use linggong_events::event::Event;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::http::Problem;
use crate::vault::{ClearPerson, ClearText};

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
        };
        schema["properties"][field.name] = serde_json::to_value(clear).unwrap_or_default();
    }
    schema["properties"]["about"] =
        serde_json::to_value(generator.subschema_for::<About>()).unwrap_or_default();
    schema
}

struct Read {
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    parameters: &'static [&'static str],
}

const READS: &[Read] = &[
    Read { path: "/v1/commands", id: "listCommands", summary: "The registry of commands", parameters: &[] },
    Read {
        path: "/v1/receipts/{command}",
        id: "readReceipt",
        summary: "The receipt of one's own command",
        parameters: &[],
    },
    Read {
        path: "/v1/markets", id: "listMarkets", summary: "零工市场", parameters: &["region", "at_least"]
    },
    Read {
        path: "/v1/markets/{market}/board",
        id: "readBoard",
        summary: "到场、已派、未派",
        parameters: &["date", "limit", "after", "before", "at_least"],
    },
    Read {
        path: "/v1/postings",
        id: "listPostings",
        summary: "岗位",
        parameters: &[
            "region",
            "occupation",
            "date",
            "employer",
            "market",
            "state",
            "limit",
            "after",
            "before",
            "order",
            "at_least",
        ],
    },
    Read {
        path: "/v1/postings/{id}",
        id: "readPosting",
        summary: "一个岗位",
        parameters: &["as_known", "as_happened", "at_least"],
    },
    Read {
        path: "/v1/postings/{id}/explain",
        id: "explainPosting",
        summary: "为什么推荐或不推荐",
        parameters: &["worker"],
    },
    Read {
        path: "/v1/hires",
        id: "listHires",
        summary: "招工用工登记台账",
        parameters: &[
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
    },
    Read {
        path: "/v1/hires/{id}",
        id: "readHire",
        summary: "一次用工",
        parameters: &["as_known", "as_happened", "at_least"],
    },
    Read {
        path: "/v1/wages",
        id: "listWages",
        summary: "工钱",
        parameters: &[
            "region", "employer", "worker", "bucket", "state", "limit", "after", "before", "order",
            "at_least",
        ],
    },
    Read {
        path: "/v1/wages/summary",
        id: "sumWages",
        summary: "欠薪汇总",
        parameters: &["by", "region", "employer", "worker", "limit", "after", "before", "at_least"],
    },
    Read {
        path: "/v1/wages/{id}",
        id: "readWage",
        summary: "一笔工钱",
        parameters: &["as_known", "as_happened", "at_least"],
    },
    Read {
        path: "/v1/insurances",
        id: "listInsurances",
        summary: "保险与缺口",
        parameters: &[
            "gaps", "region", "employer", "worker", "limit", "after", "before", "order", "at_least",
        ],
    },
    Read {
        path: "/v1/claims",
        id: "listClaims",
        summary: "欠薪反映",
        parameters: &["region", "employer", "worker", "limit", "after", "before", "order", "at_least"],
    },
    Read {
        path: "/v1/claims/{id}",
        id: "readClaim",
        summary: "一件反映",
        parameters: &["as_known", "as_happened", "at_least"],
    },
    Read {
        path: "/v1/cases",
        id: "listCases",
        summary: "案件",
        parameters: &[
            "state", "region", "employer", "worker", "limit", "after", "before", "order", "at_least",
        ],
    },
    Read {
        path: "/v1/cases/{id}",
        id: "readCase",
        summary: "一个案件及其经过",
        parameters: &["as_known", "as_happened", "at_least"],
    },
    Read { path: "/v1/workers/{id}", id: "readWorker", summary: "一名零工", parameters: &["at_least"] },
    Read {
        path: "/v1/employers/{id}",
        id: "readEmployer",
        summary: "一个用人主体",
        parameters: &["at_least"],
    },
    Read {
        path: "/v1/timelines/{kind}/{id}",
        id: "readTimeline",
        summary: "时间线",
        parameters: &["as_known", "as_happened", "limit", "after", "before", "order", "at_least"],
    },
    Read {
        path: "/v1/events",
        id: "listEvents",
        summary: "事件",
        parameters: &["after_position", "limit", "type", "at_least"],
    },
    Read {
        path: "/v1/events/stream",
        id: "streamEvents",
        summary: "事件流 (SSE)",
        parameters: &["after_position", "type"],
    },
    Read { path: "/v1/events/{position}", id: "readEvent", summary: "一条事件", parameters: &[] },
    Read { path: "/v1/events/{position}/causes", id: "listCauses", summary: "起因", parameters: &[] },
    Read { path: "/v1/events/{position}/effects", id: "listEffects", summary: "后果", parameters: &[] },
    Read { path: "/v1/accesses", id: "listAccesses", summary: "查阅记录", parameters: &[] },
    Read {
        path: "/v1/sources/{digest}", id: "readSource", summary: "导入文件中已登记的行", parameters: &[]
    },
    Read { path: "/v1/log/head", id: "readHead", summary: "日志末端与签名", parameters: &[] },
    Read { path: "/v1/log/seal-day", id: "sealDay", summary: "日结单", parameters: &["date"] },
    Read { path: "/v1/projections", id: "listProjections", summary: "视图", parameters: &[] },
    Read { path: "/v1/schemas", id: "listSchemas", summary: "事件模式", parameters: &[] },
    Read { path: "/v1/schemas/{name}", id: "readSchema", summary: "一个事件模式", parameters: &[] },
];

/// The OpenAPI 3.1 document of every route.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths = Map::new();
    for command in Command::types() {
        let schema = body_schema(command, &mut generator);
        let summary =
            schema["description"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        let name = command.name();
        let operation = json!({
            "operationId": name.replace('.', "_"),
            "summary": summary,
            "description": format!("Roles: {}.", command.roles.iter().filter_map(|it| serde_json::to_value(it).ok()).filter_map(|it| it.as_str().map(str::to_owned)).collect::<Vec<_>>().join(", ")),
            "tags": [command.kind.name()],
            "parameters": [
                { "name": "Idempotency-Key", "in": "header", "required": true, "schema": { "type": "string", "format": "uuid" }, "description": "A UUIDv7 that the client chooses; the same key and content get the same receipt." },
                { "$ref": "#/components/parameters/role" },
            ],
            "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } },
            "responses": responses(generator.subschema_for::<crate::http::ReceiptAnswer>().to_value(), true),
        });
        paths.insert(format!("/v1/commands/{name}"), json!({ "post": operation }));
    }
    for read in READS {
        let mut parameters: Vec<Value> = read
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{').and_then(|it| it.strip_suffix('}')))
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        parameters.extend(
            read.parameters.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })),
        );
        parameters.push(json!({ "$ref": "#/components/parameters/role" }));
        let operation = json!({
            "operationId": read.id, "summary": read.summary, "description": read.summary, "tags": ["read"],
            "parameters": parameters, "responses": responses(json!({ "type": "object" }), false),
        });
        paths.insert(read.path.to_owned(), json!({ "get": operation }));
    }
    for (path, method, id, summary, body) in [
        ("/v1/persons/{id}/open", "post", "openPerson", "打开封存的个人信息, 须说明用途", "application/json"),
        ("/v1/evidence", "post", "storeEvidence", "存入证据", "application/octet-stream"),
        ("/v1/packs", "put", "storePack", "存入规则包", "application/toml"),
        ("/v1/projections/{name}/rebuild", "post", "rebuildProjection", "重建视图", ""),
    ] {
        let mut operation = json!({
            "operationId": id, "summary": summary, "description": summary, "tags": ["operate"],
            "parameters": path.split('/').filter_map(|part| part.strip_prefix('{').and_then(|it| it.strip_suffix('}')))
                .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })).collect::<Vec<_>>(),
            "responses": responses(json!({ "type": "object" }), false),
        });
        if !body.is_empty() {
            operation["requestBody"] = json!({ "required": true, "content": { body: { "schema": {} } } });
        }
        paths.insert(path.to_owned(), json!({ method: operation }));
    }
    let schemas = generator.take_definitions(true);
    let tags = std::iter::once("read")
        .chain(["operate"])
        .chain(linggong_events::id::Kind::ALL.iter().map(|it| it.name()));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "linggong", "version": env!("CARGO_PKG_VERSION"),
            "description": "零工市场撮合与欠薪案件: 一条通用的命令路径, 若干只读资源。Every action is an immutable event.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "contact": { "name": "linggong maintainers" },
        },
        "servers": [{ "url": "http://127.0.0.1:7311" }],
        "security": [{ "token": [] }],
        "tags": tags.map(|name| json!({ "name": name, "description": name })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "parameters": parameters(),
            "schemas": schemas_with_problem(schemas),
        },
    })
}

fn schemas_with_problem(mut schemas: Map<String, Value>) -> Value {
    schemas.insert(
        "Problem".into(),
        json!({
            "type": "object", "required": ["type", "title", "status", "code", "detail"],
            "properties": {
                "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
                "code": { "type": "string" }, "detail": { "type": "string" },
            },
        }),
    );
    Value::Object(schemas)
}

fn responses(ok: Value, command: bool) -> Value {
    let problem = json!({ "description": "A problem", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } });
    let mut responses =
        json!({ "200": { "description": "Done", "content": { "application/json": { "schema": ok } } } });
    let refused: &[&str] = if command {
        &["400", "401", "403", "404", "409", "413", "422", "503"]
    } else {
        &["400", "401", "403", "404", "413", "422", "503"]
    };
    for status in refused {
        responses[*status] = problem.clone();
    }
    responses
}

fn parameters() -> Value {
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let text = || json!({ "type": "string" });
    let mut all = Map::new();
    let position = json!({ "type": "string", "pattern": "^[0-9]{1,20}$" });
    for name in
        ["region", "occupation", "employer", "worker", "market", "posting", "state", "bucket", "by", "type"]
    {
        all.insert(name.into(), query(name, "Only what has this.", text()));
    }
    all.insert("date".into(), query("date", "A civil date.", json!({ "type": "string", "format": "date" })));
    all.insert("gaps".into(), query("gaps", "Only gaps.", json!({ "type": "boolean" })));
    all.insert(
        "limit".into(),
        query("limit", "At most so many.", json!({ "type": "integer", "minimum": 1, "maximum": 200 })),
    );
    all.insert(
        "order".into(),
        query("order", "Which end comes first.", json!({ "type": "string", "enum": ["up", "down"] })),
    );
    for (name, what) in [("after", "The page after this cursor."), ("before", "The page before this cursor.")]
    {
        all.insert(name.into(), query(name, what, text()));
    }
    all.insert("after_position".into(), query("after", "After this position.", position.clone()));
    all.insert(
        "at_least".into(),
        query("at_least", "Wait until the views have reached this position.", position),
    );
    all.insert("as_known".into(), query("as_known", "As recorded up to this instant or position.", text()));
    all.insert("as_happened".into(), query("as_happened", "As it had happened up to this instant.", text()));
    all.insert("role".into(), json!({ "name": "Linggong-Role", "in": "header", "description": "Which of one's roles to act in.", "schema": text() }));
    Value::Object(all)
}
