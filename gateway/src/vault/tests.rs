//! What the vault promises, seen from outside and on the disk.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use linggong_engine::command::{PersonalField, PersonalShape};
use linggong_events::id::CaseId;
use linggong_events::office::Role;
use linggong_events::person::AgeBand;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const NAME: &str = "欧阳灵公";
const DOCUMENT: &str = "11010519491231002X";
const OLD_DOCUMENT: &str = "110105491231002";
const OTHER_DOCUMENT: &str = "110105199003070017";
const THIRD_DOCUMENT: &str = "370102199003070016";
const PHONE: &str = "13899990001";
const ACCOUNT: &str = "6222026666677778888";
const ADDRESS: &str = "济阳街道幸福巷七号";
const CONTACT: &str = "欧阳之妻 13899990002";
const STATEMENT: &str = "包工头刘黑子欠我三天工钱";

fn settings(directory: &TempDir) -> VaultSettings {
    VaultSettings {
        directory: directory.path().join("vault"),
        master_key: directory.path().join("master.key"),
        log: "lg-37".to_owned(),
        demo: false,
    }
}

fn new_vault() -> (TempDir, Vault) {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(&settings(&directory)).unwrap();
    (directory, vault)
}

fn reopened(directory: &TempDir, vault: Vault) -> Result<Vault, VaultError> {
    drop(vault);
    Vault::open(&settings(directory))
}

fn command(n: u128) -> CommandId {
    CommandId(Uuid::from_u128(n))
}

fn today() -> Date {
    "2026-11-22".parse().unwrap()
}

fn purpose() -> Purpose {
    Purpose {
        actor: ActorId(Uuid::from_u128(71)),
        role: Role::CaseOfficer,
        reason: PurposeKind::WageFollowup,
        case: None,
        second_officer: None,
        at: "2026-11-22T05:31:07.123Z".parse().unwrap(),
    }
}

fn clear(fields: Value) -> ClearPerson {
    serde_json::from_value(fields).unwrap()
}

fn full_json() -> Value {
    json!({
        "name": NAME,
        "document": { "kind": "resident_id", "number": DOCUMENT },
        "phone": PHONE,
        "bank_account": ACCOUNT,
        "address": ADDRESS,
        "emergency_contact": CONTACT,
    })
}

fn with_document(number: &str) -> ClearPerson {
    clear(json!({ "name": NAME, "document": { "kind": "resident_id", "number": number } }))
}

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

#[test]
fn the_same_document_is_the_same_person() {
    let (directory, mut vault) = new_vault();
    let first = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    assert_eq!(first.person, PersonId(new_id(command(1), "person", 0)), "an offline client knows the id");
    assert_eq!(first.age.unwrap().band, AgeBand::From60);
    assert!(first.document_verified);
    assert_eq!(first.sealed.len(), 6);

    let mut vault = reopened(&directory, vault).unwrap();
    for spelt in [DOCUMENT, OLD_DOCUMENT, "11010519491231002x", "１１０１０５４９１２３１００２"]
    {
        let again = vault.get_or_create_person(&with_document(spelt), command(2), 0, today()).unwrap();
        assert_eq!(again.person, first.person, "{spelt}");
        assert_eq!(again.tokens, first.tokens);
        assert_eq!(again.duplicate_suspected, None);
    }
    let other = vault.get_or_create_person(&with_document(OTHER_DOCUMENT), command(3), 0, today()).unwrap();
    assert_ne!(other.person, first.person, "same name, other document");
    assert_ne!(other.tokens["hrss"], first.tokens["hrss"]);
    assert_ne!(first.tokens["hrss"], first.tokens["si"], "each department has tokens of its own");
}

#[test]
fn a_department_computes_the_token_with_its_own_key() {
    let (directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&with_document(OLD_DOCUMENT), command(1), 0, today()).unwrap();
    let parts: &[&[u8]] = &[b"person", b"resident_id:11010519491231002X"];
    let office = OfficeId(Uuid::from_u128(5));
    let issued = |vault: &mut Vault, from| {
        let delivery = Purpose { reason: PurposeKind::KeyDelivery, role: Role::Keeper, ..purpose() };
        vault.issue_department_key(Department::Si, from, office, &delivery)
    };
    let (version, first) = issued(&mut vault, None).unwrap();
    assert_eq!((version, &known.tokens["si"]), (1, &keyed_hash(&first, parts)));

    // Rotated: tokens say under which version they were made, and the other departments keep theirs.
    let (version, second) = issued(&mut vault, Some(1)).unwrap();
    assert_ne!((version, first.expose()), (1, second.expose()));
    assert!(matches!(issued(&mut vault, Some(1)), Err(IssueError::Rotated { current: 2 })), "twice");
    let mut vault = reopened(&directory, vault).unwrap();
    let again = vault.get_or_create_person(&with_document(DOCUMENT), command(2), 0, today()).unwrap();
    assert_eq!(again.tokens["si"], format!("k2:{}", keyed_hash(&second, parts)));
    assert_eq!(again.tokens["hrss"], known.tokens["hrss"]);
    let (key, _) = vault.key_of(known.person).unwrap();
    vault.change_key_state(key, KeyState::Shredded).unwrap();
    let mut vault = reopened(&directory, vault).unwrap();
    let (version, same) = issued(&mut vault, None).unwrap();
    assert_eq!((version, same.expose()), (2, second.expose()), "a key file written anew keeps the version");

    let accesses = vault.accesses().unwrap();
    let labels: Vec<_> = accesses.iter().map(|it| (it.access, it.data.label.as_str(), it.subject)).collect();
    let issued = |label| (Access::Issued, label, EntityRef::from(office));
    let expected = ["department_key:si:1", "department_key:si:2", "department_key:si:2"].map(issued);
    assert_eq!(labels, expected);
    assert!(!format!("{second:?} {accesses:?}").contains(&hex::encode(second.expose())));
}

#[test]
fn a_shared_phone_is_a_suspicion_and_never_one_person() {
    let (_directory, mut vault) = new_vault();
    let with = |document: Option<&str>| {
        let document = document.map(|it| json!({ "kind": "resident_id", "number": it }));
        clear(json!({ "name": NAME, "phone": PHONE, "document": document }))
    };
    let mut made = |person, n| vault.get_or_create_person(&person, command(n), 0, today()).unwrap();
    let first = made(with(Some(DOCUMENT)), 1);
    let second = made(with(None), 2);
    assert_ne!(second.person, first.person);
    assert_eq!(second.duplicate_suspected, Some(first.person));
    assert!(second.age.is_none() && !second.document_verified && second.tokens.is_empty());

    let third = made(with(Some(OTHER_DOCUMENT)), 3);
    assert_ne!(third.person, first.person);
    assert_eq!(third.duplicate_suspected, Some(second.person), "another document proves another human");

    let no_phone = made(clear(json!({ "name": NAME })), 4);
    let no_phone_either = made(clear(json!({ "name": NAME })), 5);
    assert_ne!(no_phone.person, no_phone_either.person, "same names");
    assert_eq!(no_phone_either.duplicate_suspected, None);
}

#[test]
fn a_card_names_its_holder_until_it_is_dead_and_nobody_after_shredding() {
    let (directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&with_document(DOCUMENT), command(1), 0, today()).unwrap();
    let number = secret(" jy-0042");
    let card = vault.card_id(&number).unwrap();
    assert_eq!(card, vault.card_id(&secret("ＪＹ-0042")).unwrap(), "one number, one id");
    assert_ne!(card, vault.card_id(&secret("JY-0043")).unwrap());
    assert_eq!(vault.holder_of(&number).unwrap(), CardHolder::Nobody, "it was not given out yet");
    assert!(matches!(vault.holder_of(&secret("卡")), Err(VaultError::Clear(BadClear::Card))));

    vault.set_card(known.person, card, true).unwrap();
    let mut vault = reopened(&directory, vault).unwrap();
    assert_eq!(vault.holder_of(&number).unwrap(), CardHolder::Live(known.person));
    vault.set_card(known.person, card, false).unwrap();
    let mut vault = reopened(&directory, vault).unwrap();
    assert_eq!(vault.holder_of(&number).unwrap(), CardHolder::Dead(known.person));

    let (key, _) = vault.key_of(known.person).unwrap();
    vault.change_key_state(key, KeyState::Shredded).unwrap();
    vault.set_card(known.person, card, true).unwrap();
    assert_eq!(vault.holder_of(&number).unwrap(), CardHolder::Nobody, "nothing is learnt of the forgotten");
}

#[test]
fn a_corrected_document_is_the_persons_once_it_is_decided_and_the_wrong_one_nobodys() {
    let (directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let revise = |vault: &mut Vault, n, more: Value| {
        let mut fields = json!({ "person": known.person });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let fields: ClearRevision = serde_json::from_value(fields).unwrap();
        vault.seal_revision(&fields, command(n), today()).unwrap()
    };
    let other = json!({ "name": "欧阳零工", "phone": "13899990077",
                        "document": { "kind": "resident_id", "number": OTHER_DOCUMENT } });
    let revision = revise(&mut vault, 2, other.clone());
    let fields: Vec<_> = revision.sealed.keys().copied().collect();
    assert_eq!(
        fields,
        [PersonField::Name, PersonField::Document, PersonField::Phone],
        "no other is told anew"
    );
    assert_ne!(revision.document.as_ref().unwrap().tokens["si"], known.tokens["si"]);
    let name =
        vault.open_sealed(&revision.sealed[&PersonField::Name], command(2), "name", &purpose()).unwrap();
    assert_eq!(name.expose(), "欧阳零工");

    // Refused: it is as if nobody had told it.
    vault.settle_revision(known.person, ToldAnew::by(&revision), ToldAnew::default()).unwrap();
    assert!(vault.waiting_revisions().is_empty());
    let again = vault.get_or_create_person(&with_document(DOCUMENT), command(3), 0, today()).unwrap();
    assert_eq!(again.person, known.person);

    // Accepted, though the process ended in between.
    let accepted = ToldAnew::by(&revise(&mut vault, 4, other.clone()));
    let mut vault = reopened(&directory, vault).unwrap();
    assert_eq!(vault.waiting_revisions(), BTreeSet::from([known.person]));
    // Under the same key, and with something else: nothing that the ledger holds names it.
    let reused =
        json!({ "phone": "13899990088", "document": { "kind": "resident_id", "number": THIRD_DOCUMENT } });
    let reused = ToldAnew::by(&revise(&mut vault, 4, reused));
    vault.settle_revision(known.person, reused, accepted).unwrap();
    assert!(vault.waiting_revisions().is_empty(), "what the ledger holds is so, whoever tells it");
    revise(&mut vault, 4, other);
    vault.settle_all_revisions(known.person, accepted).unwrap();
    let mut vault = reopened(&directory, vault).unwrap();
    assert!(vault.waiting_revisions().is_empty());
    let mut met =
        |document, n| vault.get_or_create_person(&with_document(document), command(n), 0, today()).unwrap();
    assert_eq!(met(OTHER_DOCUMENT, 5).person, known.person);
    assert_ne!(met(THIRD_DOCUMENT, 55).person, known.person, "the key's second telling was never accepted");
    let stranger = met(DOCUMENT, 6).person;
    assert_ne!(stranger, known.person, "the wrong number may be somebody's right one");
    let sharing =
        vault.get_or_create_person(&clear(json!({ "name": "甲", "phone": PHONE })), command(7), 0, today());
    assert_eq!(sharing.unwrap().duplicate_suspected, None, "the old phone is given up");

    // A number that is somebody's already is a suspicion, and stays theirs.
    let taken = json!({ "document": { "kind": "resident_id", "number": DOCUMENT } });
    let taken = revise(&mut vault, 8, taken);
    assert_eq!(taken.duplicate_suspected, Some(stranger));
    vault.settle_revision(known.person, ToldAnew::by(&taken), ToldAnew::by(&taken)).unwrap();
    let again = vault.get_or_create_person(&with_document(DOCUMENT), command(9), 0, today()).unwrap();
    assert_eq!(again.person, stranger);
}

#[test]
fn the_same_command_finds_its_person_again_and_other_data_is_refused() {
    let (directory, mut vault) = new_vault();
    let person = clear(json!({ "name": NAME, "phone": PHONE, "birth_date": "1990-03-07" }));
    let first = vault.get_or_create_person(&person, command(1), 0, today()).unwrap();
    let mut vault = reopened(&directory, vault).unwrap();
    let again = vault.get_or_create_person(&person, command(1), 0, today()).unwrap();
    assert_eq!((again.person, again.age, again.duplicate_suspected), (first.person, first.age, None));
    let other = clear(json!({ "name": "别人", "phone": PHONE }));
    let refused = vault.get_or_create_person(&other, command(1), 0, today());
    assert!(matches!(refused, Err(VaultError::CommandReused)));
    let refused = vault.get_or_create_person(&with_document(DOCUMENT), command(1), 0, today());
    assert!(matches!(refused, Err(VaultError::CommandReused)), "nobody slips a document under a person");
}

#[test]
fn a_birth_date_is_told_once_and_lies_in_the_past() {
    let (_directory, mut vault) = new_vault();
    let mut told = |fields| vault.get_or_create_person(&clear(fields), command(1), 0, today());
    let mut both = full_json();
    both["birth_date"] = json!("1949-12-31");
    assert!(matches!(told(both), Err(VaultError::Clear(BadClear::BirthDate))));
    let unborn = json!({ "name": NAME, "birth_date": "2027-01-01" });
    assert!(matches!(told(unborn), Err(VaultError::Clear(BadClear::BirthDate))));
    let child = told(json!({ "name": NAME, "birth_date": "2011-01-01" })).unwrap();
    assert_eq!(child.age.unwrap().band, AgeBand::Under16);
    assert!(!child.document_verified, "what is only said is not verified");
}

#[test]
fn a_sealed_field_opens_at_its_own_place_only() {
    let (_directory, mut vault) = new_vault();
    let first = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let other = vault.get_or_create_person(&with_document(OTHER_DOCUMENT), command(2), 0, today()).unwrap();
    let phone = &first.sealed[&PersonField::Phone];
    let opened = vault.open_sealed(phone, command(1), "phone", &purpose()).unwrap();
    assert_eq!(opened.expose(), PHONE);

    let mut shut = |sealed: &Sealed, command, label| {
        let answer = vault.open_sealed(sealed, command, label, &purpose());
        assert!(matches!(answer, Err(OpenError::Shut(_))), "{label}: {answer:?}");
    };
    shut(phone, command(2), "phone");
    shut(phone, command(1), "name");
    let other_key = other.sealed[&PersonField::Name].key;
    shut(&Sealed { person: other.person, ..phone.clone() }, command(1), "phone");
    shut(&Sealed { person: other.person, key: other_key, ..phone.clone() }, command(1), "phone");
    shut(&Sealed { key: other_key, ..phone.clone() }, command(1), "phone");
    for boxed in ["", "xc20p:", "xc20p:AAAA", "plain:13899990001", &phone.boxed[..phone.boxed.len() - 2]] {
        shut(&Sealed { boxed: boxed.to_owned(), ..phone.clone() }, command(1), "phone");
    }
    let again = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    assert_ne!(again.sealed[&PersonField::Phone].boxed, phone.boxed, "each box has a nonce of its own");
}

#[test]
fn every_opening_is_in_the_access_log_before_it_happens() {
    let (directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let phone = known.sealed[&PersonField::Phone].clone();
    vault.open_sealed(&phone, command(1), "phone", &purpose()).unwrap();
    let no_case = Purpose { reason: PurposeKind::CaseHandling, ..purpose() };
    let refused = vault.open_sealed(&phone, command(1), "phone", &no_case);
    assert!(matches!(refused, Err(OpenError::CaseMissing)));
    let case = Some(CaseId(Uuid::from_u128(9)));
    vault.open_sealed(&phone, command(1), "phone", &Purpose { case, ..no_case }).unwrap();

    let vault = reopened(&directory, vault).unwrap();
    let accesses = vault.accesses().unwrap();
    let seen: Vec<_> = accesses.iter().map(|it| (it.access, it.position.as_str(), it.data.case)).collect();
    assert_eq!(
        seen,
        [(Access::Opened, "1", None), (Access::Refused, "2", None), (Access::Opened, "3", case)]
    );
    let AccessRecord { subject, actor, role, time, data, source, .. } = &accesses[0];
    assert_eq!(*subject, EntityRef::from(known.person));
    assert_eq!((*actor, *role, *time), (purpose().actor, Role::CaseOfficer, purpose().at));
    assert_eq!((data.key, data.label.as_str(), data.command), (phone.key, "phone", Some(command(1))));
    assert_eq!(source, "/linggong/lg-37/access");
    assert_eq!(vault.access_head().commit, 4, "the genesis and three records");
}

#[test]
fn what_cannot_be_recorded_is_not_opened() {
    let (_directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let label = "x".repeat(70_000); // longer than a line of the log may be
    let sealed = vault.seal_text(known.person, &secret(STATEMENT), command(1), &label).unwrap();
    let answer = vault.open_sealed(&sealed, command(1), &label, &purpose());
    assert!(matches!(answer, Err(OpenError::Unrecorded(_))), "{answer:?}");
    assert!(vault.accesses().unwrap().is_empty());
}

#[test]
fn an_edited_byte_of_the_access_log_is_found() {
    let (directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    for _ in 0..2 {
        vault.open_sealed(&known.sealed[&PersonField::Name], command(1), "name", &purpose()).unwrap();
    }
    let path = settings(&directory).directory.join("access.log");
    let written = fs::read(&path).unwrap();
    for at in (0..written.len()).step_by(7).chain([written.len() - 1]) {
        let mut edited = written.clone();
        edited[at] ^= 1;
        fs::write(&path, &edited).unwrap();
        assert!(vault.accesses().is_err(), "byte {at}");
    }
    let lines: Vec<&[u8]> = written.split_inclusive(|it| *it == b'\n').collect();
    fs::write(&path, lines[..2].concat()).unwrap();
    assert!(vault.accesses().is_err(), "a running process knows where its log ends");
    fs::write(&path, [lines[0], lines[2]].concat()).unwrap();
    assert!(matches!(reopened(&directory, vault), Err(VaultError::Access(_))), "a record was taken out");
}

#[test]
fn a_sealed_key_opens_for_two_officers_and_takes_nothing_new() {
    let (directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let name = &known.sealed[&PersonField::Name];
    vault.change_key_state(name.key, KeyState::Sealed).unwrap();
    let mut vault = reopened(&directory, vault).unwrap();
    assert_eq!(vault.key_of(known.person), Some((name.key, KeyState::Sealed)));

    let mut opened_with = |second_officer| {
        vault.open_sealed(name, command(1), "name", &Purpose { second_officer, ..purpose() })
    };
    assert!(matches!(opened_with(None), Err(OpenError::SecondOfficer { .. })));
    assert!(matches!(opened_with(Some(purpose().actor)), Err(OpenError::SecondOfficer { .. })), "the same");
    assert_eq!(opened_with(Some(ActorId(Uuid::from_u128(72)))).unwrap().expose(), NAME);

    let refused = vault.seal_text(known.person, &secret(STATEMENT), command(2), "note");
    assert!(matches!(refused, Err(VaultError::Sealed { .. })));
    vault.change_key_state(name.key, KeyState::Active).unwrap();
    assert!(vault.open_sealed(name, command(1), "name", &purpose()).is_ok());
}

#[test]
fn shredded_stays_shredded_even_with_old_files_put_back() {
    let (directory, mut vault) = new_vault();
    let folder = settings(&directory).directory;
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let kept = vault.get_or_create_person(&with_document(OTHER_DOCUMENT), command(2), 0, today()).unwrap();
    let name = &known.sealed[&PersonField::Name];
    let photo = b"\xFF\xD8\xFF photo";
    let evidence = vault.store_evidence(known.person.into(), MediaType::Jpeg, photo).unwrap();
    let [old_keys, old_index] = ["keys.log", "index.log"].map(|it| fs::read(folder.join(it)).unwrap());

    vault.change_key_state(name.key, KeyState::Shredded).unwrap();
    let gone = |vault: &mut Vault| {
        let answer = vault.open_sealed(name, command(1), "name", &purpose());
        assert!(matches!(answer, Err(OpenError::Key(VaultError::Shredded { .. }))), "{answer:?}");
        let answer = vault.read_evidence(evidence, &purpose());
        assert!(matches!(answer, Err(OpenError::Key(VaultError::Shredded { .. }))), "{answer:?}");
        let answer = vault.change_key_state(name.key, KeyState::Active);
        assert!(matches!(answer, Err(VaultError::Shredded { .. })));
        let answer = vault.get_or_create_person(&clear(full_json()), command(1), 0, today());
        assert!(matches!(answer, Err(VaultError::Shredded { .. })), "not by its first command either");
        for file in ["keys.log", "index.log"] {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            assert!(!text.contains(&known.person.to_string()), "{file} still tells of the person");
            assert!(text.contains(&kept.person.to_string()), "{file} keeps the others");
        }
        let other = &kept.sealed[&PersonField::Name];
        assert_eq!(vault.open_sealed(other, command(2), "name", &purpose()).unwrap().expose(), NAME);
    };
    gone(&mut vault);
    drop(vault);
    fs::write(folder.join("keys.log"), old_keys).unwrap();
    fs::write(folder.join("index.log"), old_index).unwrap();
    let mut vault = Vault::open(&settings(&directory)).unwrap();
    gone(&mut vault);

    let newcomer = vault.get_or_create_person(&clear(full_json()), command(9), 0, today()).unwrap();
    assert_ne!(newcomer.person, known.person, "who comes again is a new record");
}

#[test]
fn a_shredding_cut_short_after_the_list_is_finished_at_open() {
    let (directory, mut vault) = new_vault();
    let folder = settings(&directory).directory;
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let key = known.sealed[&PersonField::Name].key;
    let before = ["keys.log", "index.log"].map(|it| (it, fs::read(folder.join(it)).unwrap()));
    vault.change_key_state(key, KeyState::Shredded).unwrap();
    drop(vault);
    for (file, bytes) in before {
        fs::write(folder.join(file), bytes).unwrap();
        let vault = Vault::open(&settings(&directory)).unwrap();
        assert_eq!(vault.keys.state(key), Some(KeyState::Shredded));
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(!text.contains(&known.person.to_string()), "{file}");
    }
}

#[test]
fn a_crash_at_any_byte_of_the_last_record_loses_that_record_only() {
    for file in ["index.log", "keys.log"] {
        let (directory, mut vault) = new_vault();
        let folder = settings(&directory).directory;
        let first = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
        let before = fs::metadata(folder.join(file)).unwrap().len() as usize;
        let second = with_document(OTHER_DOCUMENT);
        vault.get_or_create_person(&second, command(2), 0, today()).unwrap();
        drop(vault);
        // Keys are made durable before the index names them, so a crash leaves the index no further.
        let index = fs::read(folder.join("index.log")).unwrap();
        let index_before = index.iter().position(|it| *it == b'\n').unwrap() + 1;
        let whole = fs::read(folder.join(file)).unwrap();
        for cut in before..whole.len() {
            fs::write(folder.join("index.log"), &index[..index_before]).unwrap();
            fs::write(folder.join(file), &whole[..cut]).unwrap();
            let mut vault = Vault::open(&settings(&directory)).unwrap();
            let name = &first.sealed[&PersonField::Name];
            assert_eq!(vault.open_sealed(name, command(1), "name", &purpose()).unwrap().expose(), NAME);
            let again = vault.get_or_create_person(&second, command(2), 0, today()).unwrap();
            assert_eq!(again.person, PersonId(new_id(command(2), "person", 0)), "{file} cut at {cut}");
            assert_ne!(again.person, first.person);
        }
    }
}

#[test]
fn a_vault_does_not_open_with_another_master_key() {
    let (directory, vault) = new_vault();
    let at = settings(&directory).master_key;
    assert!(matches!(Vault::open(&settings(&directory)), Err(VaultError::Locked { .. })), "one process only");
    drop(vault);
    let right = fs::read(&at).unwrap();
    assert_eq!(fs::metadata(&at).unwrap().permissions().mode() & 0o777, 0o600);
    let opened = || Vault::open(&settings(&directory));
    let written = |bytes: &[u8]| fs::write(&at, bytes).unwrap();
    written(&[7; 32]);
    let error = opened().unwrap_err();
    assert_eq!(error.to_string(), "the master key is not the one this vault was made with");
    written(&[7; 31]);
    assert!(matches!(opened(), Err(VaultError::MasterKeyForm { .. })));
    written(&right);
    fs::set_permissions(&at, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(opened(), Err(VaultError::MasterKeyExposed { .. })));
    fs::remove_file(&at).unwrap();
    assert!(matches!(opened(), Err(VaultError::MasterKeyMissing { .. })), "no new key for an old vault");
    write_whole(&at, &right).unwrap();
    assert!(opened().is_ok());
}

#[test]
fn a_vault_without_one_of_its_files_does_not_start_afresh() {
    for file in ["keys.log", "index.log", "shredded.log", "access.log", "sources.log"] {
        let (directory, mut vault) = new_vault();
        vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
        drop(vault);
        fs::remove_file(settings(&directory).directory.join(file)).unwrap();
        let opened = Vault::open(&settings(&directory));
        assert!(matches!(opened, Err(VaultError::Missing { .. })), "{file}");
    }
}

#[test]
fn evidence_comes_back_as_it_was_and_a_changed_file_does_not() {
    let (directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let note = STATEMENT.as_bytes();
    let of_person = vault.store_evidence(known.person.into(), MediaType::Text, note).unwrap();
    let case = EntityRef::from(CaseId(Uuid::from_u128(9)));
    let of_case = vault.store_evidence(case, MediaType::Pdf, b"%PDF-1.7 paper").unwrap();
    let stranger = PersonId(Uuid::from_u128(5)).into();
    let refused = vault.store_evidence(stranger, MediaType::Text, note);
    assert!(matches!(refused, Err(OpenError::Key(VaultError::UnknownPerson { .. }))));

    let mut vault = reopened(&directory, vault).unwrap();
    let read = vault.read_evidence(of_person, &purpose()).unwrap();
    assert_eq!((read.media_type, read.expose()), (MediaType::Text, note));
    assert_eq!(vault.read_evidence(of_case, &purpose()).unwrap().expose(), b"%PDF-1.7 paper");
    let accesses = vault.accesses().unwrap();
    assert_eq!(accesses.len(), 2);
    assert_eq!((accesses[1].subject, accesses[1].data.evidence), (case, Some(of_case)));

    let name = hex::encode(of_person.bytes());
    let path = settings(&directory).directory.join("evidence").join(&name[..2]).join(&name);
    let stored = fs::read(&path).unwrap();
    assert_eq!(Digest::of(&stored), of_person);
    let mut changed = stored;
    changed[30] ^= 1;
    fs::write(&path, changed).unwrap();
    let answer = vault.read_evidence(of_person, &purpose());
    assert!(matches!(answer, Err(OpenError::Evidence(EvidenceError::Damaged { .. }))));
    let unknown = vault.read_evidence(Digest::of(b"nothing"), &purpose());
    assert!(matches!(unknown, Err(OpenError::Evidence(EvidenceError::Unknown { .. }))));
}

#[test]
fn what_is_named_lies_here_until_its_key_is_gone() {
    let (directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let note = vault.store_evidence(known.person.into(), MediaType::Text, b"note").unwrap();
    let office = OfficeId(Uuid::from_u128(3));
    let sheet = "姓名,电话".as_bytes();
    let (source, stored) = vault.store_source(office, MediaType::Csv, sheet).unwrap();
    assert_eq!(source, Digest::of(sheet), "known again by its own bytes");
    let nothing = Digest::of(b"nothing");
    let named = [note, source, stored, nothing].map(EvidenceDigest);

    assert!(vault.saw_evidence(&named[..3]), "just stored");
    assert!(!vault.saw_evidence(&named));
    let mut vault = reopened(&directory, vault).unwrap();
    assert!(!vault.saw_evidence(&named[..1]), "not looked for yet");
    assert_eq!(vault.store_source(office, MediaType::Csv, sheet).unwrap(), (source, stored), "stored once");
    assert_eq!(vault.missing_evidence(&named[..3]).unwrap(), None);
    assert!(vault.saw_evidence(&named[..3]), "found");
    assert_eq!(vault.missing_evidence(&named).unwrap(), Some(EvidenceDigest(nothing)));
    assert!(!vault.saw_evidence(&named), "what is not there is not remembered as there");
    assert_eq!(vault.read_evidence(stored, &purpose()).unwrap().expose(), sheet);
    let (key, _) = vault.key_of(known.person).unwrap();
    vault.change_key_state(key, KeyState::Shredded).unwrap();
    assert!(!vault.saw_evidence(&named[..1]), "what was seen goes with its key");
    assert!(vault.saw_evidence(&named[1..3]));
    assert_eq!(vault.missing_evidence(&named[..3]).unwrap(), Some(EvidenceDigest(note)));
    let name = hex::encode(stored.bytes());
    let path = settings(&directory).directory.join("evidence").join(&name[..2]).join(&name);
    fs::remove_file(path).unwrap();
    assert!(!vault.saw_evidence(&named[2..3]), "nor what was lost since");
}

const PERSONAL: [PersonalField; 3] = [
    PersonalField { name: "statement", shape: PersonalShape::Text },
    PersonalField { name: "person", shape: PersonalShape::Person },
    PersonalField { name: "foreman", shape: PersonalShape::Person },
];

#[test]
fn a_command_is_sealed_field_by_field() {
    let (_directory, mut vault) = new_vault();
    let person = new_id(command(1), "person", 0);
    let mut payload = json!({
        "market": "market-1",
        "person": full_json(),
        "foreman": { "name": "甲" },
        "statement": { "person": person, "text": STATEMENT },
    });
    vault.seal_command(&mut payload, &PERSONAL, command(1), today()).unwrap();
    let known: KnownPerson = serde_json::from_value(payload["person"].clone()).unwrap();
    assert_eq!(known.person, PersonId(person));
    let foreman: KnownPerson = serde_json::from_value(payload["foreman"].clone()).unwrap();
    assert_eq!(foreman.person, PersonId(new_id(command(1), "person", 1)), "counted through");
    let statement: Sealed = serde_json::from_value(payload["statement"].clone()).unwrap();
    let opened = vault.open_sealed(&statement, command(1), PERSONAL[0].name, &purpose()).unwrap();
    assert_eq!(opened.expose(), STATEMENT);
    assert_eq!(payload["market"], "market-1");
    for canary in [NAME, DOCUMENT, PHONE, ACCOUNT, STATEMENT] {
        assert!(!payload.to_string().contains(canary));
    }
    let mut empty = json!({ "person": null });
    vault.seal_command(&mut empty, &PERSONAL, command(2), today()).unwrap();
    assert_eq!(empty, json!({ "person": null }), "what is absent stays absent");
}

#[test]
fn a_client_cannot_smuggle_sealed_objects() {
    let (_directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let text = vault.seal_text(known.person, &secret(STATEMENT), command(1), "statement").unwrap();
    let mut with_member = full_json();
    with_member["verified"] = json!(true);
    let person = serde_json::to_value(&known).unwrap();
    for (field, smuggled) in [
        ("person", person.clone()),
        ("person", with_member),
        ("foreman", json!([person])),
        ("statement", serde_json::to_value(&text).unwrap()),
        ("statement", json!({ "person": known.person, "text": STATEMENT, "box": text.boxed })),
        ("statement", json!(STATEMENT)),
    ] {
        let mut payload = json!({ field: smuggled });
        let before = payload.clone();
        let error = vault.seal_command(&mut payload, &PERSONAL, command(2), today()).unwrap_err();
        assert!(matches!(error, SealError::Form { .. }), "{field}: {error:?}");
        assert_eq!(payload, before, "nothing was replaced");
        assert!(!format!("{error} {error:?}").contains(STATEMENT));
    }
}

#[test]
fn a_command_digest_depends_on_actor_content_and_vault() {
    let (_directory, vault) = new_vault();
    let (_other_directory, other) = new_vault();
    let [one, two] = [1, 2].map(|n| ActorId(Uuid::from_u128(n)));
    let digest = vault.command_digests().of(one, "{}");
    assert!(digest.starts_with("hmac-sha256:") && digest.len() == 12 + 64);
    assert_eq!(digest, vault.command_digests().of(one, "{}"));
    assert_ne!(digest, vault.command_digests().of(two, "{}"));
    assert_ne!(digest, vault.command_digests().of(one, "{} "));
    assert_ne!(digest, other.command_digests().of(one, "{}"));
}

/// Every spelling in which `text` could stand in a file.
fn spellings(text: &str) -> Vec<Vec<u8>> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let utf8 = text.as_bytes().to_vec();
    let mut found = vec![
        utf8.clone(),
        units.iter().flat_map(|it| it.to_le_bytes()).collect(),
        units.iter().flat_map(|it| it.to_be_bytes()).collect(),
        hex::encode(&utf8).into_bytes(),
        hex::encode_upper(&utf8).into_bytes(),
    ];
    for shift in 0..3 {
        let shifted = [vec![0; shift], utf8.clone()].concat();
        for encoded in [STANDARD.encode(&shifted), URL_SAFE.encode(&shifted)] {
            // The first and the last group also depend on the neighbours.
            let end = encoded.trim_end_matches('=').len() - 2;
            found.push(encoded.as_bytes()[4..end].to_vec());
        }
    }
    found
}

fn files_under(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_under(&path)) } else { found.push(path) }
    }
    found
}

const CANARIES: [&str; 9] =
    [NAME, DOCUMENT, OLD_DOCUMENT, "491231002", PHONE, ACCOUNT, ADDRESS, CONTACT, STATEMENT];

#[test]
fn nothing_on_the_disk_tells_of_a_person_in_any_spelling() {
    let (directory, mut vault) = new_vault();
    let known = vault.get_or_create_person(&clear(full_json()), command(1), 0, today()).unwrap();
    let text = vault.seal_text(known.person, &secret(STATEMENT), command(1), "statement").unwrap();
    let card = vault.card_id(&secret(PHONE)).unwrap();
    vault.set_card(known.person, card, true).unwrap();
    vault.store_evidence(known.person.into(), MediaType::Text, STATEMENT.as_bytes()).unwrap();
    vault.open_sealed(&text, command(1), "statement", &purpose()).unwrap();
    fs::write(directory.path().join("event.json"), serde_json::to_vec(&known).unwrap()).unwrap();
    let files = files_under(directory.path());
    assert!(files.len() >= 7, "{files:?}");
    for path in &files {
        let bytes = fs::read(path).unwrap();
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert!(path.ends_with("event.json") || mode & 0o077 == 0, "others can read {}", path.display());
        for canary in CANARIES {
            for spelling in spellings(canary) {
                let found = bytes.windows(spelling.len()).any(|it| it == spelling);
                assert!(!found, "{canary} stands in {}", path.display());
            }
        }
    }
}

#[test]
fn the_canary_search_finds_what_is_there() {
    for canary in CANARIES {
        for shift in 0..3 {
            let around = [&vec![b'x'; shift], canary.as_bytes(), b"yy"].concat();
            let encoded = STANDARD.encode(around).into_bytes();
            let found = spellings(canary).iter().any(|it| encoded.windows(it.len()).any(|at| at == it));
            assert!(found, "{canary} at alignment {shift}");
        }
    }
}

#[test]
fn no_debug_and_no_error_text_tells_of_a_person() {
    let (_directory, mut vault) = new_vault();
    let person = clear(full_json());
    let known = vault.get_or_create_person(&person, command(1), 0, today()).unwrap();
    let text: ClearText =
        serde_json::from_value(json!({ "person": known.person, "text": STATEMENT })).unwrap();
    let opened =
        vault.open_sealed(&known.sealed[&PersonField::Name], command(1), "name", &purpose()).unwrap();
    let digest = vault.store_evidence(known.person.into(), MediaType::Text, STATEMENT.as_bytes()).unwrap();
    let evidence = vault.read_evidence(digest, &purpose()).unwrap();
    let born = clear(json!({ "name": NAME, "birth_date": "1949-12-31" }));
    let mut shown = format!("{person:?} {known:?} {text:?} {opened:?} {evidence:?} {vault:?} {born:?}");
    shown += &format!("{:?} {:?}", vault.department_key(Department::Si, 1), vault.accesses().unwrap());
    assert!(!shown.contains("1949"), "{shown}");

    let long = NAME.repeat(60);
    let bad_people = [
        json!({ "name": long }),
        json!({ "name": NAME, "phone": format!("{PHONE}a") }),
        json!({ "name": NAME, "document": { "kind": "resident_id", "number": &DOCUMENT[..17] } }),
        json!({ "name": NAME, "bank_account": format!("{ACCOUNT}元") }),
        json!({ "name": NAME, "address": format!("{ADDRESS}\n") + ADDRESS }),
        json!({ "name": NAME, DOCUMENT: PHONE }),
        json!({ "name": NAME, "document": DOCUMENT }),
        json!({ "name": NAME, "document": { "kind": NAME, "number": DOCUMENT } }),
        json!({ "name": NAME, "birth_date": PHONE }),
    ];
    for bad in bad_people {
        let mut payload = json!({ "person": bad });
        let error = vault.seal_command(&mut payload, &PERSONAL, command(2), today()).unwrap_err();
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(it) = cause {
            shown += &format!("\n{it} {it:?}");
            cause = it.source();
        }
    }
    for canary in CANARIES {
        assert!(!shown.contains(canary), "{canary} is shown: {shown}");
    }
}
