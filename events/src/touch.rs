//! Which entities an event names, and which evidence a command: every typed id or digest, found by serializing.
//!
//! Nothing can be forgotten: a new field that names a hire makes the event part of that hire's timeline, and a new
//! field that names evidence makes the command wait for it.

use serde::ser::{self, Serialize};
use uuid::Uuid;

use crate::commit::Digest;
use crate::evidence::EvidenceDigest;
use crate::id::{EntityRef, Kind};

/// Every entity that `value` names, each once, in the order of first mention.
pub fn entities_in(value: &impl Serialize) -> Vec<EntityRef> {
    match found_in(value, Found::Entities(Vec::new())) {
        Found::Entities(entities) => entities,
        Found::Evidence(_) => Vec::new(),
    }
}

/// Every piece of evidence that `value` names, each once, in the order of first mention.
pub fn evidence_in(value: &impl Serialize) -> Vec<EvidenceDigest> {
    match found_in(value, Found::Evidence(Vec::new())) {
        Found::Evidence(evidence) => evidence,
        Found::Entities(_) => Vec::new(),
    }
}

fn found_in(value: &impl Serialize, mut found: Found) -> Found {
    // The collector has no way to fail; a value whose own `Serialize` fails names what it named until then.
    let _ = value.serialize(Collector { found: &mut found, newtype: None });
    found
}

/// The first entity of `kind` that `value` names.
pub fn first_of_kind(value: &impl Serialize, kind: Kind) -> Option<EntityRef> {
    entities_in(value).into_iter().find(|entity| entity.kind == kind)
}

/// What is looked for, as far as it was found.
enum Found {
    Entities(Vec<EntityRef>),
    Evidence(Vec<EvidenceDigest>),
}

/// A type of ours that stands on the wire as one text and is looked for.
#[derive(Clone, Copy)]
enum Newtype {
    Id(Kind),
    Entity,
    Evidence,
}

impl Found {
    /// The type that serde knows by that name, where it is looked for.
    fn newtype(&self, serde_name: &str) -> Option<Newtype> {
        match self {
            Found::Entities(_) if serde_name == EntityRef::SERDE_NAME => Some(Newtype::Entity),
            Found::Entities(_) => Kind::of_serde_name(serde_name).map(Newtype::Id),
            Found::Evidence(_) => (serde_name == EvidenceDigest::SERDE_NAME).then_some(Newtype::Evidence),
        }
    }

    /// Takes a value of such a type from its text.
    fn take(&mut self, newtype: Newtype, text: &str) {
        match self {
            Found::Entities(entities) => {
                let entity = match newtype {
                    Newtype::Id(kind) => Uuid::try_parse(text).ok().map(|id| EntityRef { kind, id }),
                    Newtype::Entity => text.parse().ok(),
                    Newtype::Evidence => None,
                };
                entities.extend(entity.filter(|it| !entities.contains(it)));
            }
            Found::Evidence(evidence) => {
                let digest = text.parse::<Digest>().ok().map(EvidenceDigest);
                evidence.extend(digest.filter(|it| !evidence.contains(it)));
            }
        }
    }
}

struct Collector<'a> {
    found: &'a mut Found,
    newtype: Option<Newtype>,
}

impl Collector<'_> {
    fn again(&mut self) -> Collector<'_> {
        Collector { found: self.found, newtype: None }
    }
}

/// The error type that the interface asks for; never made.
#[derive(Debug)]
struct Never;

impl std::fmt::Display for Never {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value could not be serialized")
    }
}
impl std::error::Error for Never {}
impl ser::Error for Never {
    fn custom<T: std::fmt::Display>(_: T) -> Never {
        Never
    }
}

macro_rules! ignore {
    ($($method:ident($($arg:ty),*);)*) => {
        $(fn $method(self, $(_: $arg),*) -> Result<(), Never> { Ok(()) })*
    };
}

impl<'a> ser::Serializer for Collector<'a> {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = Collector<'a>;
    type SerializeTuple = Collector<'a>;
    type SerializeTupleStruct = Collector<'a>;
    type SerializeTupleVariant = Collector<'a>;
    type SerializeMap = Collector<'a>;
    type SerializeStruct = Collector<'a>;
    type SerializeStructVariant = Collector<'a>;

    ignore! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64);
        serialize_f32(f32); serialize_f64(f64); serialize_char(char);
        serialize_none(); serialize_unit(); serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    /// An id: they serialize themselves as text where the format is for people.
    fn serialize_str(self, text: &str) -> Result<(), Never> {
        if let Some(newtype) = self.newtype {
            self.found.take(newtype, text);
        }
        Ok(())
    }

    /// An [`EntityRef`], a digest, or something that names nothing and is not written out for that.
    fn collect_str<T: ?Sized + std::fmt::Display>(self, value: &T) -> Result<(), Never> {
        if let Some(newtype) = self.newtype {
            self.found.take(newtype, &value.to_string());
        }
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Never> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        let newtype = self.found.newtype(name);
        value.serialize(Collector { found: self.found, newtype })
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Never> {
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Never> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Never> {
        Ok(self)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Never> {
        Ok(self)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Never> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Never> {
        Ok(self)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Never> {
        Ok(self)
    }
}

macro_rules! walk_elements {
    ($($trait:ident: $method:ident),*) => {
        $(impl ser::$trait for Collector<'_> {
            type Ok = ();
            type Error = Never;
            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Never> {
                value.serialize(self.again())
            }
            fn end(self) -> Result<(), Never> { Ok(()) }
        })*
    };
}
walk_elements!(
    SerializeSeq: serialize_element, SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

macro_rules! walk_fields {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Collector<'_> {
            type Ok = ();
            type Error = Never;
            fn serialize_field<T: ?Sized + Serialize>(&mut self, _: &'static str, value: &T) -> Result<(), Never> {
                value.serialize(self.again())
            }
            fn end(self) -> Result<(), Never> { Ok(()) }
        })*
    };
}
walk_fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Collector<'_> {
    type Ok = ();
    type Error = Never;
    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Never> {
        key.serialize(self.again())
    }
    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Never> {
        value.serialize(self.again())
    }
    fn end(self) -> Result<(), Never> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{HireId, WorkerId};

    #[derive(serde::Serialize)]
    struct Data {
        note: &'static str,
        hire: HireId,
        crew: Vec<WorkerId>,
        instead_of: Option<HireId>,
        about: EntityRef,
        pair: Pair,
    }

    #[derive(serde::Serialize)]
    enum Pair {
        Swapped(HireId, HireId),
    }

    #[derive(serde::Serialize)]
    struct Papers {
        digest: Digest,
        note: String,
        photo: EvidenceDigest,
        papers: Vec<EvidenceDigest>,
        proof: Option<EvidenceDigest>,
    }

    #[test]
    fn every_piece_of_evidence_is_found_once_and_no_other_digest() {
        let [other, photo, paper] = [b"1", b"2", b"3"].map(|it| Digest::of(it));
        let [photo, paper] = [photo, paper].map(EvidenceDigest);
        let note = other.to_string();
        let papers = Papers { digest: other, note, photo, papers: vec![paper, photo], proof: Some(paper) };
        assert_eq!(evidence_in(&papers), [photo, paper], "neither the digest of a pack nor a text");
        assert_eq!(entities_in(&papers), []);
    }

    #[test]
    fn every_id_is_found_once_in_order() {
        let (hire, worker) = (HireId(Uuid::from_u128(1)), WorkerId(Uuid::from_u128(2)));
        let about = EntityRef { kind: Kind::Claim, id: Uuid::from_u128(3) };
        let other = HireId(Uuid::from_u128(4));
        let note = "hire/00000000-0000-0000-0000-000000000005";
        let pair = Pair::Swapped(hire, other);
        let data = Data { note, hire, crew: vec![worker, worker], instead_of: Some(hire), about, pair };
        assert_eq!(entities_in(&data), [hire.into(), worker.into(), about, other.into()], "a text is no id");
    }
}
