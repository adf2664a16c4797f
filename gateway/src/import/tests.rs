use linggong_engine::command::About;
use linggong_events::posting::PostingTerms;
use linggong_events::worker::Profile;
use proptest::prelude::*;
use serde::Deserialize as _;

use super::*;
use crate::glossary::Lang;
use crate::vault::ClearPerson;

const MARKET: MarketId = MarketId(Uuid::from_u128(7));

fn options() -> Options {
    Options {
        region: "371622".parse().unwrap(),
        markets: [("阳信县中心零工市场".to_owned(), MARKET)].into(),
        today: "2026-09-14".parse().unwrap(),
        year: 2026,
        shift_days: 0,
    }
}

fn read_text(text: &str) -> Imported {
    read(text.as_bytes(), "表.csv", &options()).unwrap()
}

fn steps(row: &Row) -> &[Step] {
    let Outcome::Steps { steps, .. } = &row.outcome else { panic!("{:?}", row.outcome) };
    steps
}

fn problems(row: &Row) -> Vec<(&str, &str)> {
    let Outcome::Bad(problems) = &row.outcome else { panic!("{:?}", row.outcome) };
    problems.iter().map(|it| (it.column.as_str(), it.fault.code)).collect()
}

#[test]
fn a_seeker_becomes_a_registration_and_an_arrival() {
    let imported = read_text(
        "阳信县求职登记表,,,,,,\n\
         姓名,身份证号码,联系电话,工种,期望工资,市场,到场时间,登记日期\n\
         甲某,371622199001011235,13900000001,\"瓦工(大工)、小工\",300元/天,中心,5:40,2026.9.14\n",
    );
    assert_eq!(imported.forms, [("csv".to_owned(), FormKind::Seeker)]);
    let row = &imported.rows[0];
    assert_eq!(row.place(), "csv!3");
    let [register, arrive] = steps(row) else { panic!("two commands") };
    assert_eq!((register.command, arrive.command), ("worker.register", "worker.arrive"));
    assert!(ClearPerson::deserialize(&register.body["person"]).is_ok(), "the vault takes it");
    let profile = Profile::deserialize(&register.body["profile"]).unwrap();
    assert_eq!(profile.skills.len(), 2);
    assert_eq!(profile.expectation.0, 30_000);
    assert_eq!(arrive.body["market"], json!(MARKET));
    let about = About::deserialize(&arrive.body["about"]).unwrap();
    assert_eq!(about.occurred_at.unwrap().local(), "2026-09-14 05:40:00");
    assert_eq!(about.source_doc.unwrap(), format!("sha256:{}#csv!3", imported.digest));
}

#[test]
fn a_posting_names_its_employer_by_a_step_before_it() {
    let imported = read_text(
        "用人单位,,,岗位情况,,,,,\n\
         名称,信用代码,电话,工种,人数,工作地点,用工日期,上下班时间,工价\n\
         阳信甲有限公司,91350100M000100Y43,13900000002,瓦工,３人,阳信县河流镇,9月15日,早6点到晚6点,２８０/天\n\
         同上,〃,同上,小工,2,惠民县石庙镇,46280,18:00-次日6:00,22元一小时\n\
         合计,,,,5,,,,\n",
    );
    let [first, second, total] = imported.rows.as_slice() else { panic!("{:?}", imported.rows) };
    let [register, submit] = steps(first) else { panic!("two commands") };
    assert_eq!(register.makes.as_ref().map(|it| it.0), Some(Kind::Employer));
    assert_eq!(register.body["employer_kind"], "enterprise", "by the code's first digits");
    assert_eq!(steps(second)[0].makes, register.makes, "ditto is the same employer");
    for (step, region, date, minutes) in
        [(submit, "371622", "2026-09-15", 720), (&steps(second)[1], "371621", "2026-09-15", 720)]
    {
        let mut terms = step.body["terms"].clone();
        terms["employer"] = json!(Uuid::nil());
        let terms = PostingTerms::deserialize(terms).unwrap();
        assert_eq!(terms.region.to_string(), region, "the county named in the address");
        assert_eq!(terms.shifts[0].work_date().to_string(), date);
        assert_eq!(terms.shifts[0].minutes(), minutes);
    }
    assert!(matches!(&total.outcome, Outcome::Skipped(note) if note.contains("合计")));
}

#[test]
fn every_problem_of_a_row_is_told_at_once_and_nothing_of_it_is_sent() {
    let imported = read_text(
        "姓名,身份证号,电话,工种,市场\n\
         ,3.70E+17,12,开飞机,月球市场\n\
         同上,371622199001011234,,小工,\n",
    );
    let expected = [("姓名", "missing"), ("工种", "unknown_occupation"), ("市场", "unknown_market")];
    let found = problems(&imported.rows[0]);
    for it in expected {
        assert!(found.contains(&it), "{it:?} in {found:?}");
    }
    assert!(problems(&imported.rows[1]).contains(&("姓名", "nothing_above")));
    let lost = read_text("姓名,身份证号,工种\n甲某,3.70E+17,小工\n");
    assert_eq!(problems(&lost.rows[0]), [("身份证号", "digits_lost")]);
    let wrong = read_text("姓名,身份证号,工种\n甲某,371622199001011234,小工\n");
    assert_eq!(problems(&wrong.rows[0]), [("身份证号", "document_check")]);
    let shown = format!("{:?}", wrong.rows[0]);
    assert!(!shown.contains("199001011234"), "{shown}");
}

#[test]
fn a_wage_sheet_speaks_about_the_hire_of_its_day() {
    let imported = read_text(
        "考勤工资表\n姓名,身份证号,用人单位,日期,上工时间,下工时间,应发工资,实发工资,支付方式\n\
         甲某,371622199001011235,阳信甲有限公司,2026/9/13,18:00,次日6:00,280,200,现金\n",
    );
    let hire = HireId(Uuid::from_u128(40));
    let worker = WorkerId(Uuid::from_u128(41));
    let mut sent = Vec::new();
    let found = |of: WorkerId, date: Date| {
        assert_eq!((of, date.to_string().as_str()), (worker, "2026-09-13"));
        // That day the worker had another hire with the same employer, and one with somebody else.
        Ok(vec![
            on_date(50, 0, 600, Some("阳信甲有限公司")),
            on_date(40, 2, 1080, Some("阳信甲有限公司")),
            on_date(60, 0, 1080, Some("阳信乙有限公司")),
        ])
    };
    let mut server = Told::new(found, |command: &str, _, body| {
        sent.push((command.to_owned(), body));
        if command == "worker.register" {
            let (code, detail) = ("exists".to_owned(), String::new());
            return Err(SendError::Refused { code, detail, entity: Some(worker.into()) });
        }
        Ok(Answer { unchanged: false, subjects: Vec::new() })
    });
    let summary = run(&imported, at(), &Recorded::new(), &mut Known::default(), &mut server);
    assert_eq!(summary.unwrap().accepted, 1);
    let commands: Vec<&str> = sent.iter().map(|(command, _)| command.as_str()).collect();
    let expected = [
        "worker.register",
        "wage.state_due",
        "attendance.sign_in",
        "attendance.sign_out",
        "wage.record_payment",
    ];
    assert_eq!(commands, expected);
    assert_eq!(sent[1].1["hire"], json!(hire));
    assert_eq!(sent[1].1["shift"], 2);
    let out: Timestamp = Timestamp::deserialize(&sent[3].1["about"]["occurred_at"]).unwrap();
    assert_eq!(out.local(), "2026-09-14 06:00:00");
    assert_eq!(sent[4].1["wage"], json!(new_id(CommandId(hire.0), "wage", 2)));
}

fn at() -> Timestamp {
    "2026-09-14T01:00:00Z".parse().unwrap()
}

fn no_hires(_: WorkerId, _: Date) -> Result<Vec<HireOnDate>, SendError> {
    Ok(Vec::new())
}

fn on_date(hire: u128, shift: u32, starts: u16, employer: Option<&str>) -> HireOnDate {
    HireOnDate {
        found: FoundHire { hire: HireId(Uuid::from_u128(hire)), shift, one_wage: false },
        starts,
        employer_name: employer.map(str::to_owned),
        employer_code: None,
    }
}

#[test]
fn a_wage_sheet_is_never_booked_on_another_employer_s_hire_nor_on_one_of_two_by_chance() {
    let of = |starts_near| HireOf {
        worker: Reference::Made { kind: Kind::Worker, key: Key::of(&["w"]) },
        date: "2026-09-13".parse().unwrap(),
        starts_near,
        employer: "甲公司".into(),
    };
    let meant = |near, hires: &[HireOnDate]| of(near).among(hires).map(|it| it.hire.0.as_u128());
    assert_eq!(meant(None, &[]), Err(NoHire::None));
    assert_eq!(meant(Some(360), &[on_date(1, 0, 360, Some("乙公司"))]), Err(NoHire::OfOthers));
    let two = [on_date(1, 0, 360, Some("甲公司")), on_date(2, 0, 1080, Some("甲公司"))];
    assert_eq!(meant(None, &two), Err(NoHire::Several));
    assert_eq!(meant(Some(1000), &two), Ok(2));
    let of_a_person = [on_date(1, 0, 360, Some("乙公司")), on_date(3, 0, 1080, None)];
    assert_eq!(meant(None, &of_a_person), Ok(3), "a person's name does not stand in the ledger");
    let code = HireOnDate { employer_code: Some("甲公司".into()), ..on_date(4, 0, 360, Some("全名")) };
    assert_eq!(meant(None, &[code]), Ok(4));
}

#[test]
fn what_broke_off_in_the_middle_of_a_row_goes_in_next_time_and_nothing_twice() {
    let imported = read_text(
        "考勤工资表\n姓名,身份证号,用人单位,日期,上工时间,下工时间,应发工资,实发工资,支付方式,签字\n\
         甲某,371622199001011235,阳信甲有限公司,2026/9/13,18:00,次日6:00,280,200,现金,甲某\n",
    );
    assert!(
        imported.notes.iter().any(|it| it.contains("签字")),
        "what is not recorded is said: {:?}",
        imported.notes
    );
    let sent_with = |types: &[&str]| {
        let mut sent = Vec::new();
        let found = |_: WorkerId, _: Date| Ok(vec![on_date(40, 0, 1080, Some("阳信甲有限公司"))]);
        let mut server = Told::new(found, |command: &str, _, _| {
            sent.push(command.to_owned());
            let worker = EntityRef { kind: Kind::Worker, id: Uuid::from_u128(41) };
            Ok(Answer { unchanged: false, subjects: vec![worker] })
        });
        let types = types.iter().map(|it| (*it).to_owned()).collect();
        let recorded = [("csv!3".to_owned(), types)].into();
        run(&imported, at(), &recorded, &mut Known::default(), &mut server).unwrap();
        sent
    };
    let broken = sent_with(&["wage.due", "attendance.signed_in"]);
    assert_eq!(broken, ["worker.register", "attendance.sign_out", "wage.record_payment"]);
    let whole = sent_with(&["wage.due", "attendance.signed_in", "attendance.signed_out", "wage.paid"]);
    assert!(whole.is_empty(), "{whole:?}");
    // Every command that a form sends either registers somebody or leaves what it is known by.
    for row in imported.rows.iter().chain(&read_text(TWO_POSTINGS).rows) {
        assert!(steps(row).iter().all(|it| it.makes.is_some() || !leaves(it.command).is_empty()));
    }
}

#[test]
fn a_passport_is_a_document_too() {
    let imported = read_text("姓名,证件类型,证件号码,工种\n甲某,护照,E12345678,小工\n乙某,驾照,1,小工\n");
    assert_eq!(
        steps(&imported.rows[0])[0].body["person"]["document"],
        json!({ "kind": "passport", "number": "E12345678" })
    );
    assert!(problems(&imported.rows[1]).contains(&("证件类型", "unknown_document")));
}

/// What a server is asked, answered by the test.
struct Told<F, S> {
    find: F,
    claims: Vec<Value>,
    payments: Vec<Value>,
    send: S,
}

impl<F, S> Told<F, S> {
    /// A server with nothing on record.
    fn new(find: F, send: S) -> Told<F, S> {
        Told { find, claims: Vec::new(), payments: Vec::new(), send }
    }
}

impl<F, S> Registry for Told<F, S>
where
    F: FnMut(WorkerId, Date) -> Result<Vec<HireOnDate>, SendError>,
    S: FnMut(&str, Uuid, Value) -> Result<Answer, SendError>,
{
    fn hires_on(&mut self, worker: WorkerId, date: Date) -> Result<Vec<HireOnDate>, SendError> {
        (self.find)(worker, date)
    }

    fn person_of(&mut self, worker: WorkerId) -> Result<Option<PersonId>, SendError> {
        Ok(Some(PersonId(worker.0)))
    }

    fn claims_of(&mut self, _: &str) -> Result<Vec<Value>, SendError> {
        Ok(self.claims.clone())
    }

    fn wage(&mut self, _: &str) -> Result<Value, SendError> {
        Ok(json!({ "payments": self.payments }))
    }

    fn employer_name(&mut self, _: EmployerId) -> Result<Option<String>, SendError> {
        Ok(None)
    }

    fn postings_of(&mut self, _: &str, _: &str) -> Result<Vec<Value>, SendError> {
        Ok(Vec::new())
    }

    fn send(&mut self, command: &str, key: Uuid, body: Value) -> Result<Answer, SendError> {
        (self.send)(command, key, body)
    }
}

const TWO_POSTINGS: &str = "用人单位,信用代码,工种,人数,工作地点,用工日期,工作时间,工价\n\
    甲公司,91350100M000100Y43,小工,1,阳信县城,9/15,6:00-18:00,200/天\n\
    甲公司,91350100M000100Y43,保洁,1,阳信县城,9/15,8:00-12:00,22/小时\n";

#[test]
fn the_same_import_sends_the_same_keys_and_a_later_one_leaves_out_what_is_recorded() {
    let imported = read_text(TWO_POSTINGS);
    let keys_of = |started, recorded: &Recorded| {
        let mut keys = Vec::new();
        let employer = EntityRef { kind: Kind::Employer, id: Uuid::from_u128(9) };
        let mut server = Told::new(no_hires, |_: &str, key, _| {
            keys.push(key);
            Ok(Answer { unchanged: false, subjects: vec![employer] })
        });
        let summary = run(&imported, started, recorded, &mut Known::default(), &mut server);
        (keys, summary.unwrap())
    };
    let (keys, summary) = keys_of(at(), &Recorded::new());
    assert_eq!(keys.len(), 3, "the employer is registered once");
    assert!(keys.iter().all(|key| key.get_version_num() == 7));
    assert_eq!((summary.read, summary.accepted), (2, 2));
    assert_eq!(keys_of(at(), &Recorded::new()).0, keys);
    assert_ne!(keys_of(at().plus_ms(1), &Recorded::new()).0, keys);
    let (keys, summary) = keys_of(
        at(),
        &["csv!2", "csv!3"].map(|it| (it.to_owned(), ["posting.published".to_owned()].into())).into(),
    );
    assert_eq!((keys.len(), summary.unchanged), (0, 2));
}

#[test]
fn a_refused_employer_takes_its_postings_along_and_the_rest_goes_in() {
    let imported = read_text(TWO_POSTINGS);
    let mut refuse = true;
    let mut server = Told::new(no_hires, |command: &str, _, _| {
        if command == "employer.register" && std::mem::take(&mut refuse) {
            let (code, detail) = ("outside_region".to_owned(), "no".to_owned());
            return Err(SendError::Refused { code, detail, entity: None });
        }
        Ok(Answer { unchanged: false, subjects: vec![EntityRef { kind: Kind::Employer, id: Uuid::nil() }] })
    });
    let summary = run(&imported, at(), &Recorded::new(), &mut Known::default(), &mut server).unwrap();
    assert_eq!((summary.refused, summary.accepted), (1, 1));
    assert_eq!(summary.codes, [("outside_region".to_owned(), 1)].into());
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["lines"][0]["result"], "refused");
    assert_eq!(json["lines"][0]["row"], 2);
    let failure = Failure::local(Lang::En, "unreachable", "gone");
    let failed_so = SendError::Failed(Box::new(failure));
    let mut gone = Told::new(no_hires, |_: &str, _, _| Err(failed_so.clone()));
    let failed = run(&imported, at(), &Recorded::new(), &mut Known::default(), &mut gone);
    assert_eq!(failed, Err(failed_so));
}

#[test]
fn a_claim_on_record_is_not_made_again_and_one_that_differs_is_refused() {
    let sheet = |amount: &str| {
        read_text(&format!(
            "案号,姓名,身份证号,用人单位,信用代码,拖欠金额,投诉日期,起,止,受理日期\n\
             阳人社投诉2026第31号,甲某,371622199001011235,甲公司,91350100M000100Y43,{amount},2026-8-3,2026-7-1,2026-7-20,2026-8-5\n"
        ))
    };
    let (worker, employer) = (Uuid::from_u128(41), Uuid::from_u128(42));
    let import = |imported: &Imported, claims: Vec<Value>| {
        let mut sent = Vec::new();
        let mut server = Told::new(no_hires, |command: &str, _, body| {
            sent.push((command.to_owned(), body));
            let (kind, id) = match command {
                "worker.register" => (Kind::Worker, worker),
                "employer.register" => (Kind::Employer, employer),
                _ => return Ok(Answer { unchanged: false, subjects: Vec::new() }),
            };
            let (code, detail) = ("exists".to_owned(), String::new());
            Err(SendError::Refused { code, detail, entity: Some(EntityRef { kind, id }) })
        });
        server.claims = claims;
        let summary = run(imported, at(), &Recorded::new(), &mut Known::default(), &mut server).unwrap();
        (sent.into_iter().find(|it| it.0 == "claim.register").map(|it| it.1), summary)
    };
    let (body, summary) = import(&sheet("3600"), Vec::new());
    let notes = &summary.lines[0].notes;
    assert_eq!(summary.accepted, 1, "{:?}", summary.lines);
    assert!(
        notes.iter().any(|it| it.contains("受理(2026-08-05)由承办人")),
        "no sheet accepts a claim: {notes:?}"
    );
    let body = body.unwrap();
    let row = json!({ "employer": employer, "external": body["external"], "items": body["items"],
                      "filed_at": body["about"]["filed"]["at"] });
    let (sent, summary) = import(&sheet("3600"), vec![row.clone()]);
    assert_eq!((sent, summary.unchanged), (None, 1));
    assert!(summary.lines[0].notes.iter().any(|it| it.contains("已在册")), "{:?}", summary.lines);
    let (sent, summary) = import(&sheet("3700"), vec![row]);
    assert_eq!((sent, summary.codes), (None, [("duplicate".to_owned(), 1)].into()));
}

#[test]
fn the_table_of_headings_names_every_form_and_no_heading_twice_in_one() {
    for kind in FormKind::ALL {
        assert!(forms::headings_are_told_apart(kind), "{kind:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        let _ = read(&bytes, "求职登记表.csv", &options());
        let packed = [b"PK\x03\x04".as_slice(), &bytes].concat();
        let _ = read(&packed, "招工登记表.xlsx", &options());
    }

    #[test]
    fn no_cell_makes_a_row_panic(cells in proptest::collection::vec("[0-9年月日号点半到至早晚次一天小时元毛/.:,\\-E+ 同上A-Z]{0,12}", 8)) {
        let quoted: Vec<String> = cells.iter().map(|it| format!("\"{it}\"")).collect();
        let row = quoted.join(",");
        for head in [
            "姓名,身份证号,电话,工种,期望工资,登记日期,到场时间,证书",
            "用人单位,信用代码,工种,人数,工作地点,用工日期,工作时间,工价",
            "姓名,身份证号,用人单位,日期,上工时间,下工时间,应发工资,实发工资",
            "姓名,身份证号,用人单位,信用代码,拖欠金额,投诉日期,起,止",
        ] {
            let imported = read(format!("{head}\n{row}\n").as_bytes(), "表.csv", &options()).unwrap();
            prop_assert!(imported.rows.len() <= 1);
        }
    }
}
