//! Words of a scenario as values of a command or event, by the schema that the registry has for them.
//!
//! What a word means follows from the type at its place alone, never from its look: `220` is 22000 fen where
//! the schema says `Fen`, and a count of pieces where it says an integer.

use std::collections::BTreeMap;

use linggong_events::case::DeadlineOf;
use linggong_events::commit::Digest;
use linggong_events::id::{ActorId, ClaimId, CommandId, EntityRef, Kind, new_id};
use linggong_events::measure::Fen;
use linggong_events::person::Age;
use linggong_events::time::{DAY_MS, Date, Timestamp};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::format::{Day, When, Word, clock};

/// The schema of one command or event, with the types it names.
#[derive(Clone, Debug)]
pub struct Form {
    root: Value,
    types: Map<String, Value>,
}

/// A place in a form: its type's name, where it has one, and its schema.
type Type<'a> = (Option<&'a str>, &'a Value);

impl Form {
    /// The form that `schema` describes.
    pub fn of(schema: fn(&mut SchemaGenerator) -> Schema) -> Form {
        let mut generator = SchemaGenerator::default();
        let root = schema(&mut generator).to_value();
        Form { root, types: generator.take_definitions(true) }
    }

    /// The whole.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// Follows references and "or null" to the type that is meant.
    fn typed<'a>(&'a self, mut schema: &'a Value) -> Type<'a> {
        let mut name = None;
        loop {
            if let Some(of) = schema.get("$ref").and_then(Value::as_str).and_then(|it| it.rsplit('/').next())
            {
                let Some(next) = self.types.get(of) else { return (name, schema) };
                name = Some(of);
                schema = next;
                continue;
            }
            let Some(variants) = schema.get("anyOf").and_then(Value::as_array) else { return (name, schema) };
            let is_null = |it: &&Value| it.get("type").and_then(Value::as_str) == Some("null");
            match variants.iter().find(|it| !is_null(it)) {
                Some(next) if variants.len() == 2 => schema = next,
                Some(_) | None => return (name, schema),
            }
        }
    }

    /// The schema of a field, in the object itself or in one of its variants.
    fn field<'a>(&'a self, schema: &'a Value, name: &str) -> Option<&'a Value> {
        let (_, schema) = self.typed(schema);
        if let Some(found) = schema.get("properties").and_then(|it| it.get(name)) {
            return Some(found);
        }
        if let Some(items) = schema.get("items").filter(|_| name.bytes().all(|b| b.is_ascii_digit())) {
            return Some(items);
        }
        let variants = ["oneOf", "anyOf"].into_iter().filter_map(|of| schema.get(of)?.as_array()).flatten();
        let found = variants.into_iter().find_map(|variant| self.field(variant, name));
        found.or_else(|| schema.get("additionalProperties").filter(|it| it.is_object()))
    }

    /// The schema at a dotted path.
    pub fn at<'a>(&'a self, path: &str) -> Option<&'a Value> {
        path.split('.').try_fold(&self.root, |schema, name| self.field(schema, name))
    }

    /// Where a field of a command stands: in the command itself, or in its terms, profile, details or grant.
    pub fn path_of(&self, path: &str) -> Option<String> {
        if self.at(path).is_some() {
            return Some(path.to_owned());
        }
        let inner = ["terms", "profile", "details", "grant"].into_iter().map(|it| format!("{it}.{path}"));
        inner.into_iter().find(|it| self.at(it).is_some())
    }

    /// `word` as a value of the type at `schema`.
    pub fn value(&self, word: &Word, schema: &Value, names: &mut Names) -> Result<Value, String> {
        let (name, schema) = self.typed(schema);
        match word {
            Word::List(items) => {
                let item = schema.get("items").ok_or("a list stands where none is meant")?;
                items.iter().map(|it| self.value(it, item, names)).collect::<Result<_, _>>().map(Value::Array)
            }
            Word::Object(fields) => {
                let mut object = Value::Null;
                for (key, word) in fields {
                    let field = key.split('.').try_fold(schema, |schema, name| self.field(schema, name));
                    let field = field.ok_or_else(|| format!("there is no field `{key}` here"))?;
                    put(&mut object, key, self.value(word, field, names)?)?;
                }
                Ok(object)
            }
            Word::Text(text) => self.text_value(text, (name, schema), names),
        }
    }

    fn text_value(&self, text: &str, (name, schema): Type<'_>, names: &mut Names) -> Result<Value, String> {
        if let Some(found) = name.and_then(|name| written(name, text, names)) {
            return found;
        }
        if let Some(items) = schema.get("items") {
            let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
            let word = |it: &str| self.value(&Word::Text(it.to_owned()), items, names);
            return parts.map(word).collect::<Result<_, _>>().map(Value::Array);
        }
        let types = match schema.get("type") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            Some(_) | None => Vec::new(),
        };
        if types.contains(&"integer") {
            return text.parse::<i64>().map(Value::from).map_err(|_| format!("`{text}` is no whole number"));
        }
        if types.contains(&"boolean") {
            return match text {
                "true" | "yes" | "是" => Ok(Value::Bool(true)),
                "false" | "no" | "否" => Ok(Value::Bool(false)),
                _ => Err(format!("`{text}` is neither yes nor no")),
            };
        }
        if types.contains(&"object") {
            return Err(format!("`{text}` stands where several fields are meant: write `{{key=value …}}`"));
        }
        Ok(Value::String(names.text(text)?))
    }

    /// Whether `found` is what `word` says; a name that is not known yet becomes the name of what was found.
    pub fn is(&self, word: &Word, schema: &Value, found: &Value, names: &mut Names) -> Result<bool, String> {
        let (name, typed) = self.typed(schema);
        match (word, found) {
            (Word::Text(text), Value::String(id)) => {
                if let Some(kind) = name.and_then(entity_kind)
                    && names.get(text).is_none()
                    && let Ok(id) = Uuid::try_parse(id)
                {
                    names.bind(text, EntityRef { kind, id })?;
                    return Ok(true);
                }
                Ok(self.value(word, schema, names)? == *found)
            }
            (Word::List(words), Value::Array(items)) => {
                let item = typed.get("items").ok_or("a list stands where none is meant")?;
                if words.len() != items.len() {
                    return Ok(false);
                }
                for (word, found) in words.iter().zip(items) {
                    if !self.is(word, item, found, names)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Word::Object(fields), Value::Object(_)) => {
                for (key, word) in fields {
                    let (Some(schema), Some(found)) = (self.field(typed, key), found.get(key)) else {
                        return Ok(false);
                    };
                    if !self.is(word, schema, found, names)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Word::Text(_), _) => Ok(self.value(word, schema, names)? == *found),
            (Word::List(_) | Word::Object(_), _) => Ok(false),
        }
    }

    /// `found` as a scenario writes it.
    pub fn show(&self, found: &Value, schema: &Value, names: &mut Names) -> String {
        let (name, typed) = self.typed(schema);
        match found {
            Value::Number(number) if name == Some("Fen") => {
                Fen(number.as_i64().unwrap_or_default()).to_string()
            }
            Value::String(text) => match name {
                Some("Timestamp") => text.parse().map_or_else(|_| quote(text), |at| names.show_time(at)),
                Some("EventId") => names.show_event(text),
                Some("ActorId") => names.show_actor(text),
                Some("DeadlineOf") | None => names.show_text(text),
                Some(type_name) => match (entity_kind(type_name), Uuid::try_parse(text)) {
                    (Some(kind), Ok(id)) => names.name_of(EntityRef { kind, id }),
                    (Some(_), Err(_)) | (None, _) => quote(text),
                },
            },
            Value::Array(items) => {
                let item = typed.get("items").unwrap_or(&Value::Null);
                let shown: Vec<String> = items.iter().map(|it| self.show(it, item, names)).collect();
                format!("[{}]", shown.join(" "))
            }
            Value::Object(fields) if name == Some("Shift") => names.show_shift(fields),
            Value::Object(fields) => {
                let shown: Vec<String> = fields
                    .iter()
                    .map(|(key, value)| {
                        let schema = self.field(typed, key).unwrap_or(&Value::Null);
                        format!("{key}={}", self.show(value, schema, names))
                    })
                    .collect();
                format!("{{{}}}", shown.join(" "))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => found.to_string(),
        }
    }
}

/// Quotes what would not be read back as one word.
pub fn quote(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '{' | '}' | '[' | ']' | ',' | '=' | '\\');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// The value at a dotted path, list places from 0.
pub fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        Value::Object(fields) => fields.get(name),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// Puts `new` at a dotted path, making objects and lists on the way.
pub fn put(value: &mut Value, path: &str, new: Value) -> Result<(), String> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let place = if let Ok(n) = name.parse::<usize>() {
        if !value.is_array() {
            *value = Value::Array(Vec::new());
        }
        let Value::Array(items) = value else { return Err(format!("`{path}` is no place in a list")) };
        if n > items.len() {
            return Err(format!("`{path}` leaves out places before it"));
        }
        if n == items.len() {
            items.push(Value::Null);
        }
        &mut items[n]
    } else {
        if !value.is_object() {
            *value = Value::Object(Map::new());
        }
        let Value::Object(fields) = value else { return Err(format!("`{path}` is no field")) };
        fields.entry(name).or_insert(Value::Null)
    };
    match rest {
        Some(rest) => put(place, rest, new),
        None => {
            *place = new;
            Ok(())
        }
    }
}

/// The kind whose ids a type of that name holds.
fn entity_kind(type_name: &str) -> Option<Kind> {
    type_name.strip_suffix("Id").and_then(|it| it.to_lowercase().parse().ok())
}

/// The types that are written in a way of their own; `None` for all others.
fn written(type_name: &str, text: &str, names: &mut Names) -> Option<Result<Value, String>> {
    let bad = |what: &str| Err(format!("`{text}` is no {what}"));
    Some(match type_name {
        "Fen" => match text.trim_end_matches('元').parse::<Fen>() {
            Ok(fen) => Ok(json!(fen.0)),
            Err(_) => bad("sum in yuan"),
        },
        "Timestamp" => names.time(text).map(|at| json!(at)),
        "Date" => match Day::read(text) {
            Some(day) => Ok(json!(day.after(names.now))),
            None => bad("date"),
        },
        "Shift" => names.shift(text),
        "PayTerms" => pay(text),
        "PayDue" => pay_due(text, names),
        "Point" => point(text),
        "Skill" => {
            let (trade, level) = text.split_once(':').unwrap_or((text, "helper"));
            Ok(json!({ "occupation": trade, "level": level }))
        }
        "Certificate" => certificate(text, names),
        "Requirements" => {
            let mut parts = text.split('+');
            let level = parts.next().unwrap_or_default();
            Ok(json!({ "level": level, "certificates": parts.collect::<Vec<_>>() }))
        }
        "KnownPerson" => names.person(text),
        "Revision" => names.revision(text),
        "Sealed" => {
            let seed = CommandId(Uuid::nil());
            let (person, key) = (new_id(seed, "sealed-person", 0), new_id(seed, "sealed-key", 0));
            Ok(json!({ "person": person, "key": key, "box": format!("xc20p:{}", hex::encode(text)) }))
        }
        "ActorId" => names.actor(text).map(|id| json!(id)),
        "EventId" => names.event(text).map(|id| json!(id)),
        "KeyId" => Ok(json!(id_of("key", text))),
        "CardId" => Ok(json!(id_of("card", text))),
        "EntityRef" => match names.get(text) {
            Some(entity) => Ok(json!(entity)),
            None => bad("name of anything"),
        },
        _ => {
            let kind = entity_kind(type_name)?;
            match names.get(text) {
                Some(entity) if entity.kind == kind => Ok(json!(entity.id)),
                Some(entity) => bad(&format!("{kind}, but a {}", entity.kind)),
                // An id that nothing has, so that asking for it can be rehearsed.
                None if text.starts_with("no_") => Ok(json!(new_id(CommandId(Uuid::nil()), text, 0))),
                None => bad(&format!("name of any {kind} yet")),
            }
        }
    })
}

/// The id of a key or card that is called `text`; an expectation rewritten by us holds the id itself.
fn id_of(what: &str, text: &str) -> Uuid {
    text.parse().unwrap_or_else(|_| new_id(CommandId(Uuid::nil()), &format!("{what}:{text}"), 0))
}

/// `day:220`, `hour:25`, `piece:0.80/斤`, `task:600`; due on completion where nothing else is told.
fn pay(text: &str) -> Result<Value, String> {
    let form = || format!("`{text}` is no pay: write `day:220`, `hour:25`, `piece:0.80/斤` or `task:600`");
    let (kind, rate) = text.split_once(':').ok_or_else(form)?;
    let (rate, unit) = rate.split_once('/').map_or((rate, None), |(rate, unit)| (rate, Some(unit)));
    let rate: Fen = rate.trim_end_matches('元').parse().map_err(|_| form())?;
    let mut pay = json!({ "pay_kind": kind, "rate": rate.0, "due": { "when": "on_completion" } });
    if let Some(unit) = unit {
        pay["unit"] = json!(unit);
    }
    Ok(pay)
}

/// `on_completion`, `on:2026-03-05`, `within:3`.
fn pay_due(text: &str, names: &Names) -> Result<Value, String> {
    let form = || format!("`{text}` is no pay day: write `on_completion`, `on:2026-03-05` or `within:3`");
    if text == "on_completion" {
        return Ok(json!({ "when": "on_completion" }));
    }
    match text.split_once(':').ok_or_else(form)? {
        ("on", date) => {
            let date = Day::read(date).ok_or_else(form)?.after(names.now);
            Ok(json!({ "when": "on_date", "date": date }))
        }
        ("within", days) => {
            let days: u16 = days.parse().map_err(|_| form())?;
            Ok(json!({ "when": "within_days", "days": days }))
        }
        _ => Err(form()),
    }
}

/// `36.651200,117.120100`: degrees north and east, at most six decimals.
fn point(text: &str) -> Result<Value, String> {
    let micro = |part: &str| {
        let (whole, decimals) = part.split_once('.').unwrap_or((part, ""));
        let decimals: i64 = format!("{decimals:0<6}").parse().ok().filter(|_| decimals.len() <= 6)?;
        Some(whole.parse::<i64>().ok()? * 1_000_000 + decimals)
    };
    let place = text.split_once(',').and_then(|(lat, lon)| micro(lat).zip(micro(lon)));
    let (lat, lon) = place.ok_or_else(|| format!("`{text}` is no place: write `36.65,117.12`"))?;
    Ok(json!({ "lat_e6": lat, "lon_e6": lon }))
}

/// `health:2026-01-01..2026-12-31`.
fn certificate(text: &str, names: &Names) -> Result<Value, String> {
    let form = || format!("`{text}` is no certificate: write `health:2026-01-01..2026-12-31`");
    let (kind, span) = text.split_once(':').ok_or_else(form)?;
    let (from, until) = span.split_once("..").ok_or_else(form)?;
    let day = |text: &str| Day::read(text).map(|it| it.after(names.now));
    let (from, until) = day(from).zip(day(until)).ok_or_else(form)?;
    Ok(json!({ "certificate": kind, "from": from, "until": until }))
}

/// What the names of a scenario stand for.
#[derive(Clone, Debug)]
pub struct Names {
    /// The scenario's clock.
    pub now: Timestamp,
    entities: BTreeMap<String, EntityRef>,
    actors: BTreeMap<String, ActorId>,
    /// Every event: whose, of which type, and its id.
    events: Vec<(EntityRef, String, String)>,
    /// The digests of the packs that can be adopted.
    packs: BTreeMap<String, Digest>,
}

impl Names {
    /// No names yet.
    pub fn at(now: Timestamp) -> Names {
        Names {
            now,
            entities: BTreeMap::new(),
            actors: BTreeMap::new(),
            events: Vec::new(),
            packs: BTreeMap::new(),
        }
    }

    /// What `name` stands for.
    pub fn get(&self, name: &str) -> Option<EntityRef> {
        self.entities.get(name).copied()
    }

    /// From now on `name` stands for `entity`.
    pub fn bind(&mut self, name: &str, entity: EntityRef) -> Result<(), String> {
        match kind_of_name(name) {
            Some(kind) if kind == entity.kind => {}
            Some(kind) => return Err(format!("`{name}` names a {kind}, but this is a {}", entity.kind)),
            None => return Err(format!("`{name}` is no name: write the kind and a number, as `hire1`")),
        }
        match self.entities.get(name) {
            Some(known) if *known != entity => Err(format!("`{name}` names something else already")),
            Some(_) => Ok(()),
            None => {
                self.entities.insert(name.to_owned(), entity);
                Ok(())
            }
        }
    }

    /// The name of `entity`; a new one, of its kind and the next number, where it has none.
    pub fn name_of(&mut self, entity: EntityRef) -> String {
        if let Some((name, _)) = self.entities.iter().find(|(_, known)| **known == entity) {
            return name.clone();
        }
        let free = (1..).map(|n| format!("{}{n}", entity.kind)).find(|it| !self.entities.contains_key(it));
        let name = free.unwrap_or_default();
        self.entities.insert(name.clone(), entity);
        name
    }

    /// From now on `@name` is that actor.
    pub fn bind_actor(&mut self, name: &str, id: ActorId) {
        self.actors.insert(name.to_owned(), id);
    }

    /// From now on `pack(name)` is that digest.
    pub fn bind_pack(&mut self, name: &str, digest: Digest) {
        self.packs.insert(name.to_owned(), digest);
    }

    /// An event happened.
    pub fn note_event(&mut self, subject: EntityRef, type_name: String, id: String) {
        self.events.push((subject, type_name, id));
    }

    fn actor(&self, text: &str) -> Result<ActorId, String> {
        let name = text.strip_prefix('@').unwrap_or(text);
        self.actors.get(name).copied().ok_or_else(|| format!("`{text}` is no actor of this scenario"))
    }

    fn show_actor(&self, text: &str) -> String {
        let found = self.actors.iter().find(|(_, id)| id.to_string() == text);
        found.map_or_else(|| quote(text), |(name, _)| format!("@{name}"))
    }

    /// `wage1:paid`: the last event of that name of that thing; `wage1:paid#1` the first.
    fn event(&self, text: &str) -> Result<String, String> {
        let none = || format!("`{text}` is no event: write `wage1:paid`");
        let (name, event) = text.split_once(':').ok_or_else(none)?;
        let (event, nth) =
            event.split_once('#').map_or((event, None), |(event, nth)| (event, nth.parse().ok()));
        let subject = self.get(name).ok_or_else(none)?;
        let wanted = format!("{}.{event}", subject.kind);
        let mut found = self.events.iter().filter(|(of, it, _)| *of == subject && *it == wanted);
        let found = match nth {
            Some(nth) => found.nth(usize::saturating_sub(nth, 1)),
            None => found.next_back(),
        };
        found.map(|(_, _, id)| id.clone()).ok_or_else(none)
    }

    fn show_event(&mut self, text: &str) -> String {
        let Some((subject, type_name, _)) = self.events.iter().find(|(_, _, id)| id == text).cloned() else {
            return quote(text);
        };
        let event = type_name.split_once('.').map_or(type_name.as_str(), |(_, event)| event);
        let same = self.events.iter().filter(|(of, it, _)| *of == subject && *it == type_name);
        let nth = same.take_while(|(_, _, id)| id != text).count() + 1;
        format!("{}:{event}#{nth}", self.name_of(subject))
    }

    /// A text; a deadline about a claim by the name of the claim.
    fn show_text(&mut self, text: &str) -> String {
        let Some(claim) = DeadlineOf::from(text).claim() else { return quote(text) };
        let of = text.split_once(':').map_or(text, |(of, _)| of);
        format!("{of}:{}", self.name_of(claim.into()))
    }

    /// A text; `sha256(words)` is the digest of the words, `pack(name)` that of a pack, and a deadline about a claim
    /// is followed by the name of the claim.
    fn text(&self, text: &str) -> Result<String, String> {
        type Of = fn(ClaimId) -> DeadlineOf;
        let about_claims: [(&str, Of); 2] =
            [("settlement", DeadlineOf::Settlement), ("supplement", DeadlineOf::Supplement)];
        if let Some((of, name)) = text.split_once(':')
            && let Some((_, deadline)) = about_claims.into_iter().find(|(word, _)| *word == of)
        {
            let claim = self.get(name).ok_or_else(|| format!("`{name}` is no claim of this scenario"))?;
            return Ok(deadline(ClaimId(claim.id)).to_string());
        }
        let within = |open: &str| text.strip_prefix(open).and_then(|it| it.strip_suffix(')'));
        if let Some(words) = within("sha256(") {
            return Ok(Digest::of(words.as_bytes()).to_string());
        }
        match within("pack(") {
            Some(name) => {
                let digest = self.packs.get(name).map(ToString::to_string);
                digest.ok_or_else(|| format!("`{name}` is no pack of this scenario"))
            }
            None => Ok(text.to_owned()),
        }
    }

    /// An instant: `05:20`, `2026-03-02T05:20`, `+1dT06:00`, `now`, or with an offset.
    pub fn time(&self, text: &str) -> Result<Timestamp, String> {
        if matches!(text, "now" | "现在") {
            return Ok(self.now);
        }
        if let Ok(instant) = text.parse() {
            return Ok(instant);
        }
        match When::read(text) {
            Some((when, rest)) if rest.trim().is_empty() => {
                let at = when.after(self.now);
                // As a server refuses it: what lies outside the range of instants would be held at its ends.
                if at == Timestamp::EARLIEST || at == Timestamp::EARLIEST.plus_ms(i64::MAX) {
                    return Err(format!("`{text}` lies outside the years 1992–2199"));
                }
                Ok(at)
            }
            Some(_) | None => Err(format!("`{text}` is no time")),
        }
    }

    /// `06:00-18:00`, `22:00-06:00` over midnight, `+1dT06:00-18:00`, `2026-03-03T06:00-18:00`.
    fn shift(&self, text: &str) -> Result<Value, String> {
        let form = || format!("`{text}` is no shift: write `06:00-18:00` or `+1dT06:00-18:00`");
        let (start, end) = text.rsplit_once('-').ok_or_else(form)?;
        let start = self.time(start).map_err(|_| form())?;
        let end = start.date().at_minute(0).plus_ms(clock(end).ok_or_else(form)?);
        let end = if end <= start { end.plus_ms(DAY_MS) } else { end };
        Ok(json!({ "start": start, "end": end }))
    }

    /// `born:1990-05-04`, `person1,born:1990-05-04`, `undocumented`, `unverified`, `duplicate_of:person1`.
    /// `person1,name,phone`: whom, and which fields are told anew; `born:1984-06-01` for another document.
    fn revision(&mut self, text: &str) -> Result<Value, String> {
        let mut revision = json!({ "person": null, "sealed": {} });
        for part in text.split(',') {
            let field =
                part.split_once(':').map_or(part, |(name, _)| if name == "born" { "document" } else { name });
            if let Some(birth) = part.strip_prefix("born:") {
                let birth: Date = birth.parse().map_err(|_| format!("`{birth}` is no date of birth"))?;
                let age = Age::at(birth, self.now.date());
                revision["document"] =
                    json!({ "age": age, "tokens": { "si": format!("hmac-sha256:{birth}") } });
            } else if let Some(name) = part.strip_prefix("duplicate_of:") {
                let other = self.get(name).ok_or_else(|| format!("`{name}` is nobody yet"))?;
                revision["duplicate_suspected"] = json!(other.id);
                continue;
            } else if kind_of_name(part) == Some(Kind::Person) {
                revision["person"] =
                    json!(self.get(part).ok_or_else(|| format!("`{part}` is nobody yet"))?.id);
                continue;
            }
            let key = new_id(CommandId(Uuid::nil()), "sealed-key", 0);
            let boxed = format!("xc20p:{}", hex::encode(field));
            revision["sealed"][field] = json!({ "person": revision["person"], "key": key, "box": boxed });
        }
        Ok(revision)
    }

    fn person(&mut self, text: &str) -> Result<Value, String> {
        let mut person = None;
        let (mut age, mut verified, mut other) = (None, false, None);
        for part in text.split(',') {
            if let Some(birth) = part.strip_prefix("born:") {
                let birth: Date = birth.parse().map_err(|_| format!("`{birth}` is no date of birth"))?;
                age = Some(Age::at(birth, self.now.date()));
                verified = true;
            } else if part == "undocumented" {
                verified = false;
            } else if let Some(name) = part.strip_prefix("duplicate_of:") {
                other = Some(self.get(name).ok_or_else(|| format!("`{name}` is nobody yet"))?);
            } else if kind_of_name(part) == Some(Kind::Person) {
                let n = self.entities.len();
                let made = EntityRef { kind: Kind::Person, id: fabricated(n) };
                person = Some(*self.entities.entry(part.to_owned()).or_insert(made));
            } else {
                return Err(format!("`{part}` says nothing about a person"));
            }
        }
        let person = match person {
            Some(person) => person,
            None => {
                let entity = EntityRef { kind: Kind::Person, id: fabricated(self.entities.len()) };
                self.name_of(entity);
                entity
            }
        };
        let mut known = json!({
            "person": person.id, "document_verified": verified, "sealed": {},
            "tokens": { "si": format!("hmac-sha256:{:032x}", person.id.as_u128()) },
        });
        if let Some(age) = age {
            known["age"] = json!(age);
        }
        if let Some(other) = other {
            known["duplicate_suspected"] = json!(other.id);
        }
        Ok(known)
    }

    fn show_time(&self, at: Timestamp) -> String {
        let day = at.date().at_minute(0);
        let ms = at.ms() - day.ms();
        let local = at.local();
        let clock = if ms % 1000 > 0 {
            format!("{}.{:03}", &local[11..], ms % 1000)
        } else if ms % 60_000 > 0 {
            local[11..].to_owned()
        } else {
            local[11..16].to_owned()
        };
        if at.date() == self.now.date() { clock } else { format!("{}T{clock}", at.date()) }
    }

    fn show_shift(&self, fields: &Map<String, Value>) -> String {
        let at = |key: &str| fields.get(key).and_then(Value::as_str).and_then(|it| it.parse().ok());
        let (Some(start), Some(end)): (Option<Timestamp>, Option<Timestamp>) = (at("start"), at("end"))
        else {
            return String::new();
        };
        format!("{}-{}", self.show_time(start), &end.local()[11..16])
    }
}

/// The kind that a name belongs to: `hire1`, or one letter for the commonest.
fn kind_of_name(name: &str) -> Option<Kind> {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match letters {
        _ if letters.len() == name.len() => None,
        "M" => Some(Kind::Market),
        "W" => Some(Kind::Worker),
        "E" => Some(Kind::Employer),
        "P" => Some(Kind::Posting),
        "H" => Some(Kind::Hire),
        "C" => Some(Kind::Claim),
        word => word.parse().ok(),
    }
}

/// The id of an invented human.
fn fabricated(n: usize) -> Uuid {
    new_id(CommandId(Uuid::nil()), &format!("person:{n}"), 0)
}
