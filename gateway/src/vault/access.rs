//! The access log: who opened which sealed field, for what; an append-only chain of commits of its own.
//!
//! A commit stands on one line of the record file, its line feeds written as tabs, which JSON never holds
//! raw. The chain is that of the ledger; the records' own keyed checksums guard the last commit too.

use std::path::Path;

use linggong_events::commit::{Commit, CommitError, Digest, FORMAT, Genesis, Head, Header};
use linggong_events::id::{ActorId, CaseId, CommandId, EntityRef, EventId, KeyId};
use linggong_events::office::Role;
use linggong_events::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::records::{Check, RecordError, RecordFile};
use super::seal::{NoChance, Secret, random};

/// Why somebody wants to see sealed data (PIPL 6, 34: for a stated purpose only).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PurposeKind {
    /// 窗口服务: serving the person at the desk.
    DeskService,
    /// 派工联系: calling a worker or an employer about a hire.
    HireContact,
    /// 工资支付: paying or confirming wages.
    WageFollowup,
    /// 欠薪登记: registering or referring a claim.
    ClaimHandling,
    /// 办案: needs the case.
    CaseHandling,
    /// 安全联系: an accident, or somebody missing.
    SafetyContact,
    /// 个人请求: the person asks for their own data (PIPL 45).
    DataSubjectRequest,
    /// 审计.
    Audit,
    /// 交付密钥: a department gets the key under which it knows people; opens nobody's fields.
    KeyDelivery,
}

/// Who wants to open what is sealed, as what, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// Who.
    pub actor: ActorId,
    /// As what.
    pub role: Role,
    /// Why.
    pub reason: PurposeKind,
    /// In which case, where there is one.
    pub case: Option<CaseId>,
    /// The second officer, whom a sealed key needs.
    pub second_officer: Option<ActorId>,
    /// When, by the gateway's clock.
    pub at: Timestamp,
}

/// What became of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// The field was opened, or is about to be.
    #[serde(rename = "cn.linggong.access.opened.v1")]
    Opened,
    /// The state of the key or the purpose forbade it.
    #[serde(rename = "cn.linggong.access.refused.v1")]
    Refused,
    /// The key was handed out to the department that it belongs to.
    #[serde(rename = "cn.linggong.access.issued.v1")]
    Issued,
}

/// What was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessData {
    /// Why.
    pub reason: PurposeKind,
    /// In which case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// The second officer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_officer: Option<ActorId>,
    /// The key.
    pub key: KeyId,
    /// The field, or `evidence`.
    pub label: String,
    /// The command that sealed the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// The evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Digest>,
}

/// One line of the access log: a CloudEvents object of its own source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRecord {
    specversion: String,
    /// The record.
    pub id: EventId,
    /// `/linggong/<log>/access`.
    pub source: String,
    /// What became of the request.
    #[serde(rename = "type")]
    pub access: Access,
    /// Whose data: a person, or the matter of an evidence.
    pub subject: EntityRef,
    /// When.
    pub time: Timestamp,
    datacontenttype: String,
    /// Its place in the access log, from 1.
    pub position: String,
    /// Who.
    pub actor: ActorId,
    /// As what.
    pub role: Role,
    /// The rest.
    pub data: AccessData,
}

/// Why the access log cannot be written or read.
#[derive(Debug, Error)]
pub enum AccessError {
    /// Its file.
    #[error(transparent)]
    File(#[from] RecordError),
    /// Its chain.
    #[error("the access log is not whole at commit {commit}")]
    Chain {
        /// The first bad commit.
        commit: u64,
        /// What is wrong with it.
        source: CommitError,
    },
    /// A record that this software cannot read.
    #[error("record {position} of the access log cannot be read")]
    Form {
        /// Its place.
        position: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// No chance for an id.
    #[error(transparent)]
    Chance(#[from] NoChance),
}

/// The open access log.
pub(crate) struct AccessLog {
    file: RecordFile,
    log: String,
    head: Head,
}

impl AccessLog {
    /// The record of the genesis of a new log.
    pub(crate) fn genesis(log: &str, demo: bool) -> Result<Vec<u8>, AccessError> {
        let genesis = Genesis { format: FORMAT, hash: "sha256".to_owned(), demo };
        let commit = Commit::build(header(log, &Head::EMPTY, Some(genesis)), &[]);
        Ok(one_line(commit.map_err(|source| AccessError::Chain { commit: 1, source })?.bytes()))
    }

    /// Opens the log and verifies its chain from the first byte to the last.
    pub(crate) fn open(path: &Path, log: &str, check: Secret) -> Result<AccessLog, AccessError> {
        let (file, records) = RecordFile::open(path, Check::Mac(check))?;
        let head = walked(&records, |_| Ok(()))?;
        Ok(AccessLog { file, log: log.to_owned(), head })
    }

    /// Where the log ends: to be printed and compared, for a cut tail shows nowhere else.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Appends one record; when this returns, it is on the disk.
    pub(crate) fn append(
        &mut self,
        access: Access,
        subject: EntityRef,
        purpose: &Purpose,
        data: AccessData,
    ) -> Result<(), AccessError> {
        let broken = |commit| move |source| AccessError::Chain { commit, source };
        let header = header(&self.log, &self.head, None);
        let (commit, position) = (header.commit, header.first);
        let record = AccessRecord {
            specversion: "1.0".to_owned(),
            id: EventId(Uuid::new_v8(random()?)),
            source: format!("/linggong/{}/access", self.log),
            access,
            subject,
            time: purpose.at,
            datacontenttype: "application/json".to_owned(),
            position: position.to_string(),
            actor: purpose.actor,
            role: purpose.role,
            data,
        };
        let line = serde_json::to_vec(&record).map_err(|source| AccessError::Form { position, source })?;
        let written = Commit::build(header, &[line]).map_err(broken(commit))?;
        let head = self.head.after(&written).map_err(broken(commit))?;
        self.file.append(&one_line(written.bytes()))?;
        self.head = head;
        Ok(())
    }

    /// Reads every byte again: the chain, and every record in order.
    pub(crate) fn records(&self) -> Result<Vec<AccessRecord>, AccessError> {
        let mut found = Vec::new();
        let head = walked(&self.file.reread()?, |commit| {
            for (line, position) in commit.lines().zip(commit.header().first..) {
                let form = |source| AccessError::Form { position, source };
                found.push(serde_json::from_slice(line).map_err(form)?);
            }
            Ok(())
        })?;
        if head != self.head {
            let what = "the file does not end where this process left it";
            return Err(AccessError::Chain { commit: head.commit, source: CommitError::Broken(what) });
        }
        Ok(found)
    }
}

fn walked(
    records: &[Vec<u8>],
    mut each: impl FnMut(&Commit) -> Result<(), AccessError>,
) -> Result<Head, AccessError> {
    let mut head = Head::EMPTY;
    for record in records {
        let chain = |source| AccessError::Chain { commit: head.commit + 1, source };
        let bytes = record.iter().map(|byte| if *byte == b'\t' { b'\n' } else { *byte }).collect();
        let commit = Commit::parse(bytes).map_err(chain)?;
        head = head.after(&commit).map_err(chain)?;
        each(&commit)?;
    }
    Ok(head)
}

fn one_line(commit: &[u8]) -> Vec<u8> {
    commit.iter().map(|byte| if *byte == b'\n' { b'\t' } else { *byte }).collect()
}

fn header(log: &str, head: &Head, genesis: Option<Genesis>) -> Header {
    Header {
        v: FORMAT,
        log: log.to_owned(),
        partition: 0,
        commit: head.commit + 1,
        epoch: 1,
        first: head.position.0 + 1,
        count: 0,
        prev: head.digest,
        software: env!("CARGO_PKG_VERSION").to_owned(),
        clock_offset_ms: 0,
        genesis,
    }
}
