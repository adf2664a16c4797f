//! Makes the sample morning of `config/sample`: invented people, employers and sheets, the same every time.
//!
//! Names are a surname and a solar term; document numbers stand under 371699, which is no division; phones
//! begin with 100, which no phone does. Check digits are right, because the checks must pass.

use std::collections::BTreeMap;

use linggong_events::time::Date;
use rust_xlsxwriter::{Color, ExcelDateTime, Format, Workbook};

/// The sample's own morning; the reader moves it to any other.
pub(crate) const BASE: &str = "2026-09-14";

pub(crate) const SEEKERS: &str = "求职登记表.csv";
pub(crate) const SEEKERS_2: &str = "求职登记表2.xlsx";
pub(crate) const POSTINGS: &str = "招工登记表.xlsx";
pub(crate) const FARMERS: &str = "招工登记表-农户.csv";
pub(crate) const WAGES: &str = "考勤工资表.xlsx";
pub(crate) const CASES: &str = "在办案件表.csv";

/// A cell as it is to be written; only a workbook tells them apart.
#[derive(Clone)]
enum Cell {
    Text(String),
    Number(f64),
    Day(Date),
}

fn text(it: impl Into<String>) -> Cell {
    Cell::Text(it.into())
}

/// Every file by its name.
pub(crate) fn files() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        (SEEKERS, gb18030(&seekers())),
        (SEEKERS_2, workbook("登记表", &seekers_2(), &[(0, 0, 0, 8)])),
        (POSTINGS, workbook("9月14日", &postings(), MERGED)),
        (FARMERS, utf8_with_mark(&farmers())),
        (WAGES, workbook("考勤工资", &wages(), &[(0, 0, 0, 10)])),
        (CASES, gb18030(&cases())),
    ])
}

/// The day `n` days after the base morning.
pub(crate) fn day(n: i64) -> Date {
    BASE.parse::<Date>().unwrap().plus_days(n)
}

fn name(n: usize) -> String {
    const SURNAMES: [&str; 12] = ["赵", "钱", "孙", "李", "周", "吴", "郑", "王", "冯", "陈", "褚", "卫"];
    const TERMS: [&str; 24] = [
        "立春", "雨水", "惊蛰", "春分", "清明", "谷雨", "立夏", "小满", "芒种", "夏至", "小暑", "大暑",
        "立秋", "处暑", "白露", "秋分", "寒露", "霜降", "立冬", "小雪", "大雪", "冬至", "小寒", "大寒",
    ];
    format!("{}{}", SURNAMES[n % 12], TERMS[(n / 12 + n * 5) % 24])
}

/// A number of GB 11643 under a division that does not exist.
pub(crate) fn resident_id(birth: Date, n: usize) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = format!("371699{}{:03}", birth.to_string().replace('-', ""), n % 1000);
    let sum: u32 = digits.chars().filter_map(|c| c.to_digit(10)).zip(WEIGHTS).map(|(d, w)| d * w).sum();
    format!("{digits}{}", b"10X98765432"[sum as usize % 11] as char)
}

/// A code of GB 32100; `front` says what is registered: 91 a company, 92 a business of one's own, 93 a cooperative.
pub(crate) fn org_code(front: &str, n: usize) -> String {
    const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    const WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    let body = format!("{front}371699MAX{n:05}X");
    let value = |byte: u8| ALPHABET.iter().position(|it| *it == byte).unwrap();
    let sum: usize = body.bytes().zip(WEIGHTS).map(|(byte, weight)| value(byte) * weight).sum();
    format!("{body}{}", ALPHABET[(31 - sum % 31) % 31] as char)
}

fn phone(n: usize) -> String {
    format!("1000000{n:04}")
}

/// The birth date of somebody in the middle of life, by their number.
fn birth(n: usize) -> Date {
    let (year, month, day) = (1964 + (n * 7) % 40, 1 + (n * 5) % 12, 1 + (n * 11) % 28);
    Date::new(year as i16, month as i8, day as i8).unwrap()
}

/// Somebody of that many years on the base morning.
fn born_years_ago(years: i16) -> Date {
    let base = day(0).civil();
    Date::new(base.year() - years, 3, 5).unwrap()
}

pub(crate) fn worker_id(n: usize) -> String {
    match n {
        0 => resident_id(born_years_ago(17), 10),
        1 => resident_id(born_years_ago(15), 11),
        2 => resident_id(born_years_ago(67), 12),
        // Of before 1999: no century and no check character.
        8 => {
            let full = resident_id(Date::new(1968, 4, 12).unwrap(), 18);
            format!("{}{}", &full[..6], &full[8..17])
        }
        n => resident_id(birth(n), n),
    }
}

fn worker_name(n: usize) -> String {
    // Two people bear one name.
    if n == 7 { name(6) } else { name(n) }
}

/// The trades of the market, with the pay that people come for.
const TRADES: [(&str, &str, &str); 14] = [
    ("小工", "", "180"),
    ("瓦工", "大工", "300"),
    ("木工", "大工", "300"),
    ("钢筋", "大工", "310"),
    ("水电", "熟练工", "280"),
    ("装卸工", "", "200"),
    ("保洁", "", "160"),
    ("刷墙", "大工", "280"),
    ("摘蒜、摘苹果", "", "150"),
    ("小工、装卸工", "", "190"),
    ("瓦工（大工）、小工", "", "280"),
    ("农活", "", "160"),
    ("搬运", "", "200"),
    ("普工、分拣", "", "180"),
];

/// What the people of the story do; everybody else goes round the trades.
fn trade(n: usize) -> (&'static str, &'static str, &'static str) {
    match n {
        0 | 1 => ("小工", "", "180"),
        2 => ("保洁", "", "120"),
        9..=19 => ("小工、瓦工（大工）", "", "180"),
        20..=24 => ("装卸工、小工", "", "180"),
        25 => ("卸货", "", "150"),
        26 => ("包装工", "", "200"),
        27 => ("园林绿化", "", "180"),
        28..=31 => ("装卸工", "", "200"),
        32..=36 => ("小工", "", "200"),
        37 => ("刷墙", "大工", "200"),
        38 | 39 => ("小工", "", "200"),
        40 => ("瓦工", "大工", "300"),
        41 => ("瓦工", "大工", "300"),
        42 => ("小工", "", "180"),
        43 => ("电工", "熟练工", "300"),
        44 => ("餐饮小工", "", "180"),
        n => TRADES[n % 14],
    }
}

/// 求职登记表.csv, as the window keeps it: full width, blanks, 同上, a lost number, a subtotal.
fn seekers() -> Vec<Vec<Cell>> {
    let mut rows = vec![
        vec![text("阳信县零工市场求职登记表（手工台账）")],
        vec![],
        row([
            "序号",
            "姓名",
            "身份证号码",
            "联系电话",
            "工种",
            "大工/小工",
            "期望工资",
            "持证情况",
            "班组",
            "市场",
            "登记日期",
            "备注",
        ]),
    ];
    for n in 0..60 {
        if n == 52 {
            rows.push(vec![]);
            rows.push(row([
                "",
                "郑丢号",
                "3.70E+17",
                &phone(900),
                "小工",
                "",
                "180",
                "",
                "",
                "同上",
                "同上",
                "号码被表格改了",
            ]));
            rows.push(row(["小计", "53", "", "", "", "", "", "", "", "", "", ""]));
        }
        let (trade, level, expects) = trade(n);
        let id = match n {
            // As somebody typed it with the wrong method of input.
            3 => worker_id(n).chars().map(|c| char::from_u32(c as u32 + 0xfee0).unwrap_or(c)).collect(),
            _ => worker_id(n),
        };
        let tel = match n {
            3 | 4 => phone(3),
            5 => "无".to_owned(),
            n => phone(n),
        };
        let certificates = match n {
            43 => "低压电工证(2025.3.1-2028.3.1)",
            44 => "健康证(2026.3.1-2027.3.1)",
            50 => "健康证",
            _ => "",
        };
        let crew = match n {
            9..=19 => "王家班",
            20..=24 => "陈家班",
            _ => "",
        };
        let market = match n {
            0 => "阳信县中心零工市场",
            30 => "河流镇零工驿站",
            45 => "商店镇大集零工点",
            _ => "同上",
        };
        let date = match n {
            0 => "2026.9.13",
            20 => "9月13日",
            40 => "2026/9/13",
            _ => "〃",
        };
        let expects = format!("{expects}{}", if n % 3 == 0 { "元/天 " } else { "" });
        let (number, name) = ((n + 1).to_string(), worker_name(n));
        rows.push(row([
            &number,
            &name,
            &id,
            &tel,
            trade,
            level,
            &expects,
            certificates,
            crew,
            market,
            date,
            "",
        ]));
    }
    rows.push(row(["填表人：李谷雨", "", "", "", "", "", "", "", "", "", "", ""]));
    rows
}

/// 求职登记表2.xlsx, typed into a workbook: numbers and serials where texts should stand.
fn seekers_2() -> Vec<Vec<Cell>> {
    let mut rows = vec![
        row(["阳信县河流镇零工驿站 求职登记"]),
        row([
            "姓名",
            "身份证号",
            "手机号",
            "工种",
            "期望日薪（元）",
            "能去多远（公里）",
            "市场",
            "登记日期",
            "到场时间",
        ]),
    ];
    for n in 60..130 {
        let (trade, level, expects) = trade(n);
        let trade = if level == "大工" { format!("{trade}（大工）") } else { trade.to_owned() };
        let id = match n {
            // The sheet made a number of it: the last digits are gone.
            75 => Cell::Number(371_699_198_503_120_000.0),
            80 => text(""),
            n => text(worker_id(n)),
        };
        let tel = match n {
            90 => text(""),
            n => Cell::Number(phone(n).parse().unwrap()),
        };
        let date = match n % 3 {
            0 => Cell::Day(day(0)),
            // A serial that lost its format.
            1 => Cell::Number(serial(day(0))),
            _ => text("同上"),
        };
        let arrival = match n % 4 {
            0 => text(format!("早5点{:02}分", 10 + n % 40)),
            1 => text(format!("5:{:02}", 10 + n % 40)),
            _ => text(""),
        };
        rows.push(vec![
            text(format!("{}  ", worker_name(n))),
            id,
            tel,
            text(trade),
            Cell::Number(expects.parse().unwrap()),
            Cell::Number((20 + n % 30) as f64),
            text("河流镇零工驿站"),
            date,
            arrival,
        ]);
    }
    rows.push(row(["合计", "70人", "", "", "", "", "", "", ""]));
    rows
}

fn serial(date: Date) -> f64 {
    (date.days() - Date::new(1899, 12, 30).unwrap().days()) as f64
}

/// The spans of the two rows of headings of 招工登记表.xlsx: first row, first column, last row, last column.
const MERGED: &[(u32, u16, u32, u16)] = &[
    (0, 0, 0, 16),
    (1, 0, 1, 5),
    (1, 6, 1, 10),
    (1, 11, 1, 12),
    (1, 13, 1, 14),
    (1, 15, 2, 15),
    (1, 16, 2, 16),
];

/// 招工登记表.xlsx: employers with a code, foremen and one without a licence.
fn postings() -> Vec<Vec<Cell>> {
    let mut rows = vec![
        row(["阳信县零工市场招工登记表（2026年9月14日）"]),
        row([
            "用人单位",
            "",
            "",
            "",
            "",
            "",
            "岗位",
            "",
            "",
            "",
            "",
            "用工时间",
            "",
            "报酬",
            "",
            "招工方式",
            "证书要求",
        ]),
        row([
            "名称",
            "类型",
            "信用代码",
            "身份证号",
            "联系电话",
            "发包单位信用代码",
            "工种",
            "技能要求",
            "人数",
            "工作内容",
            "工作地点",
            "日期",
            "上下班时间",
            "工价",
            "结算方式",
            "",
            "",
        ]),
    ];
    let company = |n: usize| org_code("91", n);
    let own = |n: usize| org_code("92", n);
    let cooperative = |n: usize| org_code("93", n);
    let foreman = |n: usize| resident_id(birth(n + 300), 300 + n);
    let yangxin = "阳信县城东工地";
    #[rustfmt::skip]
    let table: Vec<[String; 17]> = vec![
        // row 4 on
        line(["阳信样例建筑有限公司", "企业", &company(1), "", &phone(501), "", "瓦工", "大工", "5", "砌围墙", yangxin, "9月14日", "6:00-18:00", "320/天", "日结", "抢单", ""]),
        line(["同上", "同上", "同上", "", "同上", "", "小工", "小工", "12", "和灰、递砖", yangxin, "同上", "早6点到晚6点", "200/天", "日结", "抢单", ""]),
        line(["同上", "同上", "同上", "", "同上", "", "钢筋", "大工", "3", "绑钢筋", yangxin, "同上", "6:00-18:00", "330元/天", "3天内", "派工", ""]),
        line(["阳信样例装饰有限公司", "企业", &company(2), "", &phone(502), "", "木工", "大工", "2", "吊顶", "阳信县幸福小区", "46279", "7:00-17:00", "340/天", "日结", "派工", ""]),
        line(["阳信样例安装有限公司", "企业", &company(3), "", &phone(503), "", "水电", "熟练工", "2", "改水改电", "阳信县幸福小区", "2026.9.14", "7:00-17:00", "300/天", "日结", "派工", ""]),
        line(["阳信样例物流有限公司", "企业", &company(4), "", &phone(504), "", "卸货", "", "2", "卸一车面粉", "阳信县物流园", "9/14", "8:00-10:00", "30元一小时", "干完就结", "抢单", ""]),
        line(["同上", "同上", "同上", "", "同上", "", "卸货", "", "2", "卸一车化肥", "阳信县物流园", "9/14", "14:00-16:00", "30元一小时", "干完就结", "抢单", ""]),
        line(["阳信样例物业有限公司", "企业", &company(5), "", &phone(505), "", "保洁", "", "3", "擦玻璃", "阳信县城", "9/14", "8:00-12:00", "22元一小时", "日结", "派工", ""]),
        line(["阳信样例涂装有限公司", "企业", &company(6), "", &phone(506), "", "刷墙", "大工", "2", "刷内墙", "阳信县城", "9/14", "7:00-17:00", "300/天", "日结", "派工", ""]),
        line(["阳信样例食品有限公司", "企业", &company(7), "", &phone(507), "", "包装工", "", "4", "夜班装箱", "阳信县开发区", "9/14", "18:00-次日6:00", "240/天", "日结", "抢单", ""]),
        line(["阳信样例饭店", "个体户", &own(8), "", &phone(508), "", "餐饮小工", "", "2", "后厨帮忙，需健康证", "阳信县城", "9/14", "9:00-14:00", "200/天", "日结", "抢单", "健康证"]),
        line(["阳信样例木业有限公司", "企业", &company(9), "", &phone(509), "", "装卸工", "", "2", "装板子，限男", "阳信县开发区", "9/14", "7:00-17:00", "210/天", "日结", "抢单", ""]),
        line(["阳信样例服装有限公司", "企业", &company(10), "", &phone(510), "", "普工", "", "3", "剪线头，押身份证", "阳信县开发区", "9/14", "8:00-18:00", "190/天", "日结", "抢单", ""]),
        line(["阳信样例超市有限公司", "企业", &company(11), "", &phone(511), "", "保洁", "", "1", "拖地", "阳信县城", "9/14", "6:00-8:00", "15元一小时", "日结", "抢单", ""]),
        line(["老周加工点", "无照经营", "", &foreman(12), &phone(512), "", "普工", "", "2", "打包", "阳信县城北", "9/14", "8:00-18:00", "200/天", "日结", "抢单", ""]),
        line(["孙小暑", "包工头", "", &foreman(13), &phone(513), &company(1), "小工", "", "3", "清运砖头", yangxin, "9/14", "6:00-18:00", "220/天", "3天内", "抢单", ""]),
        line(["冯大寒", "包工头", "", &foreman(14), &phone(514), "", "小工", "", "3", "拆旧房", "阳信县水落坡镇", "9/14", "6:00-18:00", "220/天", "3天内", "抢单", ""]),
        line(["阳信样例果蔬专业合作社", "合作社", &cooperative(15), "", &phone(515), "", "苹果", "", "6", "摘苹果装袋", "阳信县河流镇", "9/14", "6:30-17:30", "1.2元/袋", "日结", "抢单", ""]),
        line(["阳信样例蔬菜专业合作社", "合作社", &cooperative(16), "", &phone(516), "", "大棚", "", "4", "大棚摘椒", "阳信县翟王镇", "9/14", "6:00-16:00", "180/天", "日结", "派工", ""]),
        line(["阳信样例人力资源有限公司", "人力资源公司", &company(17), "", &phone(517), "", "普工", "", "5", "分装", "阳信县开发区", "9/15", "8:00-18:00", "190/天", "3天内", "派工", ""]),
        line(["阳信样例搬家服务部", "个体户", &own(18), "", &phone(518), "", "搬家", "", "2", "三楼搬到五楼", "阳信县城", "9/14", "9:00-13:00", "包活600", "干完就结", "抢单", ""]),
        line(["滨州样例路桥有限公司", "企业", &company(19), "", &phone(519), "", "瓦工", "大工", "2", "砌涵洞", "惠民县石庙镇", "9/14", "6:00-18:00", "350/天", "日结", "抢单", ""]),
        line(["阳信样例园林有限公司", "企业", &company(20), "", &phone(520), "", "绿化", "", "4", "栽树", "阳信县滨河路", "9/14", "7:00-17:00", "200/天", "日结", "抢单", ""]),
        line(["阳信样例粮油店", "个体户", &own(21), "", &phone(521), "", "装卸工", "", "4", "倒仓", "阳信县城南", "9/14", "7:00-17:00", "220/天", "日结", "抢单", ""]),
        line(["阳信样例电器维修部", "个体户", &own(22), "", &phone(522), "", "电工", "熟练工", "1", "换配电箱", "阳信县城", "9/14", "8:00-17:00", "320/天", "日结", "派工", "低压电工证"]),
        line(["阳信样例快餐店", "个体户", &own(23), "", &phone(523), "", "帮厨", "", "2", "择菜", "阳信县城", "9/14", "8:00-14:00", "190/天", "日结", "派工", ""]),
        line(["阳信样例鸭梨专业合作社", "合作社", &cooperative(24), "", &phone(524), "", "分拣", "", "5", "分级装箱", "阳信县金阳街道", "9/14", "7:00-17:00", "185/天", "日结", "派工", ""]),
        line(["阳信样例装饰有限公司", "企业", &company(2), "", &phone(502), "", "木工", "大工", "2", "打柜子", "阳信县幸福小区", "9/15", "7:00-17:00", "330/天", "日结", "派工", ""]),
    ];
    // The licence of an agency stands nowhere on the form: that row says so when it is sent.
    for it in table {
        let mut cells: Vec<Cell> = it.into_iter().map(text).collect();
        if let Cell::Text(serial) = &cells[11]
            && let Ok(number) = serial.parse::<f64>()
            && number > 40_000.0
        {
            cells[11] = Cell::Number(number);
        }
        rows.push(cells);
    }
    rows.push(row(["合计", "", "", "", "", "", "", "", "90", "", "", "", "", "", "", "", ""]));
    rows
}

fn line(cells: [&str; 17]) -> [String; 17] {
    cells.map(str::to_owned)
}

/// 招工登记表-农户.csv: households and farmers, for their own use.
fn farmers() -> Vec<Vec<Cell>> {
    let mut rows = vec![row([
        "户主姓名",
        "身份证号",
        "电话",
        "干什么活",
        "技能要求",
        "人数",
        "工作内容",
        "干活地点",
        "哪天",
        "几点到几点",
        "给多少钱",
        "大约一天能挣",
        "招工方式",
    ])];
    #[rustfmt::skip]
    let table = [
        (1, "摘大蒜", "", "6", "剪蒜装袋", "阳信县温店镇", "9/14", "6点到16点", "0.8元/斤", "180", "抢单"),
        (2, "苹果", "", "4", "摘苹果", "阳信县河流镇", "9/14", "6:30-17:00", "0.5元/斤", "160", "抢单"),
        (3, "刷墙", "大工", "1", "刷三间屋", "阳信县洋湖乡", "9/14", "7:00-17:00", "包活800", "", "抢单"),
        (4, "保洁", "", "1", "找个女工打扫卫生", "阳信县幸福小区", "9/14", "8:00-11:00", "25元一小时", "", "抢单"),
        (5, "砌墙", "大工", "2", "垒院墙", "阳信县商店镇", "9/14", "6:00-18:00", "300/天", "", "派工"),
        (5, "杂工", "", "2", "同上", "同上", "同上", "同上", "200/天", "", "派工"),
        (6, "掰玉米", "", "5", "掰玉米", "阳信县翟王镇", "9月14日", "早6点到晚6点", "180/天", "", "派工"),
        (7, "农活", "", "3", "收花生", "阳信县劳店镇", "9/14", "6:00-17:00", "180/天", "", "派工"),
        (8, "摘梨", "", "6", "摘鸭梨", "阳信县金阳街道", "9/14", "6:00-16:00", "200/天", "", "派工"),
        (9, "大棚", "", "2", "盖膜", "阳信县翟王镇", "9/14", "7:00-12:00", "一天200", "", "派工"),
        (10, "挖沟", "", "3", "挖排水沟", "阳信县水落坡镇", "9/14", "6:00-18:00", "220/天", "", "派工"),
        (11, "家政", "", "1", "做晚饭", "阳信县城", "9/14", "16:00-19:00", "30元一小时", "", "抢单"),
        (12, "杂工", "", "2", "卸蜂窝煤", "阳信县流坡坞镇", "9/14", "9:00-12:00", "包活300", "", "抢单"),
        (13, "贴砖", "大工", "1", "贴厨房", "阳信县城", "9/14", "7:00-18:00", "350/天", "", "派工"),
        (13, "杂工", "", "1", "和灰", "阳信县城", "9/14", "7:00-18:00", "200/天", "", "派工"),
        (2, "苹果", "", "4", "摘苹果", "阳信县河流镇", "9/15", "6:30-17:00", "0.5元/斤", "160", "抢单"),
    ];
    for (who, trade, level, places, words, address, date, hours, pay, usual, mode) in table {
        let (household, id, tel) =
            (name(200 + who), resident_id(birth(who + 200), 200 + who), phone(600 + who));
        rows.push(row([
            &household, &id, &tel, trade, level, places, words, address, date, hours, pay, usual, mode,
        ]));
    }
    rows
}

/// 考勤工资表.xlsx of the base day: the crew of eleven, one of them paid in part.
fn wages() -> Vec<Vec<Cell>> {
    let mut rows = vec![
        row(["阳信样例建筑有限公司 9月14日考勤工资表"]),
        row([
            "姓名",
            "身份证号",
            "用人单位",
            "工种",
            "日期",
            "上工时间",
            "下工时间",
            "休息分钟",
            "应发工资",
            "实发工资",
            "支付方式",
        ]),
    ];
    for n in 9..20 {
        // The last two are the story's: half in cash, and nothing but a note.
        let paid = match n {
            18 => 100.0,
            19 => 0.0,
            _ => 200.0,
        };
        rows.push(vec![
            text(worker_name(n)),
            text(worker_id(n)),
            text(if n == 9 { "阳信样例建筑有限公司" } else { "〃" }),
            text("小工"),
            if n % 2 == 0 { Cell::Number(serial(day(0))) } else { Cell::Day(day(0)) },
            // A time of day that lost its format.
            if n % 3 == 0 { Cell::Number(0.25) } else { text("6:00") },
            text("晚6点"),
            Cell::Number(60.0),
            Cell::Number(200.0),
            Cell::Number(paid),
            text("现金"),
        ]);
    }
    rows.push(vec![
        text("合计"),
        text(""),
        text(""),
        text(""),
        text(""),
        text(""),
        text(""),
        text(""),
        Cell::Number(2200.0),
        Cell::Number(1900.0),
        text(""),
    ]);
    rows
}

/// 在办案件表.csv: paper cases that were open before.
fn cases() -> Vec<Vec<Cell>> {
    let mut rows = vec![
        row(["阳信县劳动保障监察大队在办案件表"]),
        row([
            "受理编号",
            "投诉人",
            "身份证号",
            "联系电话",
            "被投诉单位",
            "单位类型",
            "信用代码",
            "被投诉人身份证号",
            "拖欠金额",
            "起",
            "止",
            "投诉日期",
            "案由",
            "状态",
        ]),
    ];
    let company = |n: usize| org_code("91", n);
    #[rustfmt::skip]
    let table = [
        ("阳信监投〔2026〕31号", 400, "阳信样例建筑有限公司", "企业", company(1), String::new(), "3,600", "2026-7-1", "2026-7-20", "2026年8月3日", "拖欠工资"),
        ("阳信监投〔2026〕32号", 401, "同上", "同上", "同上".into(), String::new(), "2400元", "〃", "〃", "〃", "同上"),
        ("阳信监投〔2026〕37号", 402, "冯大寒", "包工头", String::new(), resident_id(birth(314), 314), "1800", "2026-8-1", "2026-8-9", "2026.8.20", "包工头失联"),
        ("阳信监投〔2026〕40号", 403, "阳信样例饭店", "个体户", org_code("92", 8), String::new(), "950.5", "8月10日", "8月20日", "9月1日", "拖欠工资"),
        ("阳信监投〔2026〕41号", 404, "阳信样例木业有限公司", "企业", "9137169900000000".into(), String::new(), "1200", "8/10", "8/20", "9/2", "拖欠工资"),
    ];
    for (number, n, employer, kind, code, employer_id, amount, from, until, filed, about) in table {
        let id = resident_id(birth(n), n);
        rows.push(row([
            number,
            &name(n),
            &id,
            &phone(n),
            employer,
            kind,
            &code,
            &employer_id,
            amount,
            from,
            until,
            filed,
            about,
            "办理中",
        ]));
    }
    rows
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<Cell> {
    cells.into_iter().map(text).collect()
}

fn csv(rows: &[Vec<Cell>]) -> String {
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().map(|cell| match cell {
            Cell::Text(text) if text.contains([',', '"', '\n']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
            Cell::Day(day) => day.to_string(),
        });
        out.push_str(&cells.collect::<Vec<_>>().join(","));
        out.push_str("\r\n");
    }
    out
}

fn gb18030(rows: &[Vec<Cell>]) -> Vec<u8> {
    encoding_rs::GB18030.encode(&csv(rows)).0.into_owned()
}

fn utf8_with_mark(rows: &[Vec<Cell>]) -> Vec<u8> {
    [b"\xef\xbb\xbf".as_slice(), csv(rows).as_bytes()].concat()
}

fn workbook(sheet_name: &str, rows: &[Vec<Cell>], merged: &[(u32, u16, u32, u16)]) -> Vec<u8> {
    let mut book = Workbook::new();
    let made = ExcelDateTime::from_ymd(2026, 9, 14).unwrap();
    book.set_properties(&rust_xlsxwriter::DocProperties::new().set_creation_datetime(&made));
    let sheet = book.add_worksheet();
    sheet.set_name(sheet_name).unwrap();
    let heading = Format::new().set_bold().set_background_color(Color::Silver);
    let date = Format::new().set_num_format("yyyy/m/d");
    for (r, row) in (0..).zip(rows) {
        for (c, cell) in (0..).zip(row) {
            match cell {
                Cell::Text(text) if text.is_empty() => {}
                Cell::Text(text) => {
                    sheet.write(r, c, text.as_str()).unwrap();
                }
                Cell::Number(number) => {
                    sheet.write(r, c, *number).unwrap();
                }
                Cell::Day(day) => {
                    sheet.write_with_format(r, c, serial(*day), &date).unwrap();
                }
            }
        }
    }
    for (first, left, last, right) in merged {
        let Some(Cell::Text(text)) = rows[*first as usize].get(*left as usize) else { continue };
        sheet.merge_range(*first, *left, *last, *right, text, &heading).unwrap();
    }
    book.save_to_buffer().unwrap()
}
