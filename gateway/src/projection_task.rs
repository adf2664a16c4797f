//! The thread that brings every view forward from the log.
//!
//! Each round gives every view one batch, and views that stand at one place share what was read: a view that is
//! new, or built anew beside the live one, catches up while the others go on. Rows that cannot be trusted are put
//! aside and folded again by themselves; an event that a fold cannot take parks that one view before it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use linggong_events::commit::Head;
use linggong_events::envelope::Recorded;
use linggong_events::log::LogReader;
use linggong_events::measure::Position;
use linggong_projections::{AnyProjection, StoreError};
use serde::Serialize;
use tokio::sync::watch;

use crate::standstill::Standstill;
use crate::wake::{Woken, wait};

/// The most events of one batch: rows and checkpoint of so many are written at once.
const BATCH: usize = 1000;
/// How often a view is built anew by itself before somebody must look at the disk.
const MAX_REBUILDS: u32 = 3;
/// When a view in trouble is looked at again, and when all are looked after though nothing happens.
const AGAIN: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(5);

/// Where one view stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The view.
    pub name: &'static str,
    /// Its version.
    pub version: u32,
    /// The last event in it.
    pub position: Position,
    /// What keeps it from going on, where something does.
    pub trouble: Option<Trouble>,
    /// Whether it never had all that the log has, and shows nothing yet.
    pub building: bool,
    /// Whether it stands still behind the log, for longer than is allowed.
    pub frozen: bool,
    /// How often it was built anew since start.
    pub rebuilt: u32,
    /// How far the view is that is built beside it.
    pub rebuilding: Option<Position>,
    /// Why the last attempt to build it beside came to nothing.
    pub rebuild_failed: Option<String>,
}

/// What keeps a view from going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Of which sort it is: parked, ahead or failed.
    pub state: ViewState,
    /// What happened, for operators; nothing personal.
    pub why: String,
}

/// How a view stands towards the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewState {
    /// It has all there is.
    Current,
    /// It is some events behind, and comes on.
    Behind,
    /// It is folded from the first event on and shows nothing yet.
    Building,
    /// It stands before an event that it cannot take.
    Parked,
    /// It stands still behind the log and says nothing of it.
    Frozen,
    /// It knows of more than the log has.
    Ahead,
    /// Its files or the log cannot be used.
    Failed,
}

impl ViewState {
    /// Every state.
    pub const ALL: [ViewState; 7] = [
        ViewState::Current,
        ViewState::Behind,
        ViewState::Building,
        ViewState::Parked,
        ViewState::Frozen,
        ViewState::Ahead,
        ViewState::Failed,
    ];

    /// The word for it on screens and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            ViewState::Current => "current",
            ViewState::Behind => "behind",
            ViewState::Building => "building",
            ViewState::Parked => "parked",
            ViewState::Frozen => "frozen",
            ViewState::Ahead => "ahead",
            ViewState::Failed => "failed",
        }
    }

    /// Whether somebody must look after it.
    pub fn is_alarm(self) -> bool {
        match self {
            ViewState::Current | ViewState::Behind | ViewState::Building => false,
            ViewState::Parked | ViewState::Frozen | ViewState::Ahead | ViewState::Failed => true,
        }
    }
}

impl Standing {
    /// How it stands towards a log that ends at `head`.
    pub fn state(&self, head: Position) -> ViewState {
        match &self.trouble {
            Some(trouble) => trouble.state,
            None if self.frozen => ViewState::Frozen,
            None if self.building => ViewState::Building,
            None if self.position < head => ViewState::Behind,
            None => ViewState::Current,
        }
    }
}

/// Talks to the projection thread.
#[derive(Clone, Debug)]
pub struct ProjectionsHandle {
    standings: watch::Receiver<Vec<Standing>>,
    asked: Asked,
    standstill: Arc<Mutex<Standstill>>,
    thread: Thread,
}

/// The views that somebody wants built anew and that were not begun yet.
type Asked = Arc<Mutex<BTreeSet<&'static str>>>;

impl ProjectionsHandle {
    /// Where every view stands.
    pub fn standings(&self) -> Vec<Standing> {
        // First what is asked for: it is taken away once it shows in the standings.
        let asked = lock(&self.asked).clone();
        let mut all = self.standings.borrow().clone();
        let standstill = lock(&self.standstill);
        for standing in &mut all {
            standing.frozen = standstill.is_frozen(standing.name);
            if asked.contains(standing.name) {
                standing.rebuilding.get_or_insert_default();
                standing.rebuild_failed = None;
            }
        }
        all
    }

    /// Waits until each of `views` stands at `position` or further.
    pub async fn reached(&self, views: &[&str], position: Position) -> Result<(), StandsStill> {
        let mut standings = self.standings.clone();
        let concerned = |it: &&Standing| views.contains(&it.name);
        let settled = |all: &Vec<Standing>| {
            all.iter().filter(concerned).any(|it| it.trouble.is_some())
                || !all.iter().filter(concerned).any(|it| it.position < position)
        };
        let found = standings.wait_for(settled).await.map_err(|_| StandsStill { view: None })?;
        match found.iter().filter(concerned).find(|it| it.trouble.is_some()) {
            Some(it) => {
                let parked = it.state(position) == ViewState::Parked;
                Err(StandsStill { view: Some((it.name, it.position.next())).filter(|_| parked) })
            }
            None => Ok(()),
        }
    }

    /// Waits until every view there is stands at `position` or further.
    pub async fn all_reached(&self, position: Position) -> Result<(), StandsStill> {
        let views: Vec<_> = self.standings.borrow().iter().map(|it| it.name).collect();
        self.reached(&views, position).await
    }

    /// Waits until the view of that name stands as `test` wants it; `None` once the thread has ended.
    pub async fn wait_for(&self, name: &str, test: impl Fn(&Standing) -> bool) -> Option<Standing> {
        let mut standings = self.standings.clone();
        let stands = |it: &&Standing| it.name == name && test(it);
        let all = standings.wait_for(|all| all.iter().any(|it| stands(&it))).await.ok()?;
        all.iter().find(stands).cloned()
    }

    /// Asks for a view to be built anew beside the live one; `false` where there is none of that name.
    pub fn rebuild(&self, name: &str) -> bool {
        let Some(known) = self.standings.borrow().iter().map(|it| it.name).find(|it| *it == name) else {
            return false;
        };
        lock(&self.asked).insert(known);
        self.thread.unpark();
        true
    }

    /// Looks whether views stand still behind a log that ends at `head`, at `now` since some beginning.
    pub fn look(&self, now: Duration, head: Position) {
        let at: Vec<_> = self.standings.borrow().iter().map(|it| (it.name, it.position)).collect();
        let changed = lock(&self.standstill).look(now, head, at.iter().copied());
        for (view, frozen) in changed {
            let position = at.iter().find(|(name, _)| *name == view).map_or(0, |(_, at)| at.0);
            if frozen {
                tracing::error!(view, position, head = head.0, "a view stands still behind the log");
            } else {
                tracing::info!(view, position, head = head.0, "a view moves again");
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A view that is asked for stands still: what it holds is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a view stands still")]
pub struct StandsStill {
    /// The view that is parked, and the event that it stands before.
    pub view: Option<(&'static str, Position)>,
}

/// Starts the thread; `head` wakes it, and it ends when `head` is gone. A view may stand behind it for `patience`.
pub fn start<R: LogReader>(
    projections: Vec<Box<dyn AnyProjection>>,
    log: R,
    head: watch::Receiver<Head>,
    patience: Duration,
) -> std::io::Result<(ProjectionsHandle, std::thread::JoinHandle<()>)> {
    let at_start = log.head().position;
    for view in &projections {
        // A view that never had all the log knew answers once it does; one ahead of its log never does.
        if at_start.0 > 0 && !view.is_built() {
            view.withhold();
        }
        // Told again, and loudly, by the thread.
        let _ = view.check_head(at_start);
    }
    let standing = |it: &dyn AnyProjection| Standing {
        name: it.name(),
        version: it.version(),
        position: it.checkpoint().unwrap_or_default(),
        trouble: None,
        building: it.is_building(),
        frozen: false,
        rebuilt: 0,
        rebuilding: None,
        rebuild_failed: None,
    };
    let (standings, seen) = watch::channel(projections.iter().map(|it| standing(it.as_ref())).collect());
    let asked = Asked::default();
    let views = projections.into_iter().map(|live| Running { live, automatic: 0 }).collect();
    let task = Task { views, log, head, standings, asked: asked.clone() };
    let thread = std::thread::Builder::new().name("projections".into()).spawn(move || task.run())?;
    let standstill = Arc::new(Mutex::new(Standstill::new(patience)));
    let handle = ProjectionsHandle { standings: seen, asked, standstill, thread: thread.thread().clone() };
    Ok((handle, thread))
}

struct Task<R> {
    views: Vec<Running>,
    log: R,
    head: watch::Receiver<Head>,
    standings: watch::Sender<Vec<Standing>>,
    asked: Asked,
}

impl<R: LogReader> Task<R> {
    fn run(mut self) {
        loop {
            let target = self.head.borrow_and_update().position;
            self.begin_what_is_asked();
            let more = self.round(target);
            if more {
                // Views catch up with what is at hand; the rest is for the next start.
                if self.head.has_changed().is_err() {
                    return;
                }
                continue;
            }
            let behind =
                self.standings.borrow().iter().any(|it| it.trouble.is_some() || it.position < target);
            match wait(&mut self.head, if behind { AGAIN } else { IDLE }) {
                Woken::New | Woken::Called => {}
                Woken::Over => return,
            }
        }
    }

    fn begin_what_is_asked(&mut self) {
        let asked = lock(&self.asked).clone();
        for name in asked {
            let Some(n) = self.views.iter().position(|it| it.live.name() == name) else { continue };
            let begun = self.views[n].begin_successor();
            self.publish(n, |it| match begun {
                Ok(()) => {
                    it.rebuilding.get_or_insert_default();
                    it.rebuild_failed = None;
                }
                Err(error) => it.rebuild_failed = Some(crate::chain(&error)),
            });
            lock(&self.asked).remove(name);
        }
    }

    /// Gives every view a batch; whether another round at once would bring one further.
    fn round(&mut self, target: Position) -> bool {
        let mut batches = Batches { log: &self.log, last: None };
        let mut more = false;
        for n in 0..self.views.len() {
            let view = &mut self.views[n];
            let round = view.advance(&mut batches, target);
            more |= round.more;
            let (position, building) = (view.live.checkpoint().unwrap_or_default(), view.live.is_building());
            let rebuilding = view.live.successor().map(|it| it.checkpoint().unwrap_or_default());
            let name = view.live.name();
            self.publish(n, |it| {
                if it.trouble != round.trouble {
                    match &round.trouble {
                        Some(trouble) => {
                            let (state, why) = (trouble.state.word(), &trouble.why);
                            tracing::error!(view = name, position = position.0, state, %why, "a view cannot go on");
                        }
                        None => tracing::info!(view = name, position = position.0, "a view goes on"),
                    }
                }
                it.trouble = round.trouble;
                it.position = position;
                it.building = building;
                it.rebuilding = rebuilding;
                it.rebuilt += u32::from(round.rebuilt);
                if round.rebuilt || round.rebuild_failed.is_some() {
                    it.rebuild_failed = round.rebuild_failed;
                }
            });
        }
        more
    }

    fn publish(&self, n: usize, change: impl FnOnce(&mut Standing)) {
        self.standings.send_if_modified(|all| {
            let Some(standing) = all.get_mut(n) else { return false };
            let before = standing.clone();
            change(standing);
            *standing != before
        });
    }
}

/// One view, as the thread runs it.
struct Running {
    live: Box<dyn AnyProjection>,
    /// How often it was built anew without being asked to.
    automatic: u32,
}

/// What one round did for one view.
#[derive(Debug, Default)]
struct Round {
    /// Whether another round at once would bring it further.
    more: bool,
    rebuilt: bool,
    trouble: Option<Trouble>,
    rebuild_failed: Option<String>,
}

/// Why a view did not come further.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("its store failed")]
    Store(#[from] StoreError),
    #[error("the log cannot be read")]
    Log(#[from] linggong_events::log::ReadError),
    #[error("an event cannot be read")]
    Event(#[from] linggong_events::envelope::EnvelopeError),
    #[error("the log does not give the event at {0}, which it has")]
    Missing(Position),
}

impl Stopped {
    /// Whether the rows must be looked at. A view ahead of its log is an alarm, never a reason to start anew.
    fn calls_for_rebuild(&self) -> bool {
        match self {
            Stopped::Store(error) => error.calls_for_rebuild(),
            Stopped::Log(_) | Stopped::Event(_) | Stopped::Missing(_) => false,
        }
    }

    fn trouble(&self) -> Trouble {
        let state = match self {
            Stopped::Store(StoreError::Poison { .. }) => ViewState::Parked,
            Stopped::Store(StoreError::AheadOfLog { .. }) => ViewState::Ahead,
            Stopped::Store(_) | Stopped::Log(_) | Stopped::Event(_) | Stopped::Missing(_) => {
                ViewState::Failed
            }
        };
        Trouble { state, why: crate::chain(self) }
    }
}

impl Running {
    fn begin_successor(&mut self) -> Result<(), StoreError> {
        let name = self.live.name();
        let begun = self.live.begin_successor();
        match &begun {
            Ok(()) => tracing::info!(view = name, "a view is built anew beside the live one"),
            Err(error) => {
                tracing::error!(view = name, error = %crate::chain(error), "a view cannot be built anew");
            }
        }
        begun
    }

    fn advance<R: LogReader>(&mut self, batches: &mut Batches<'_, R>, target: Position) -> Round {
        let mut round = Round::default();
        match self.advance_live(batches, target) {
            Ok(more) => round.more = more,
            Err(stopped) => {
                round.trouble = Some(stopped.trouble());
                if stopped.calls_for_rebuild() {
                    self.mend(&stopped, &mut round);
                }
            }
        }
        let state = round.trouble.as_ref().map(|it| it.state);
        if state == Some(ViewState::Ahead) && self.live.successor().is_some() {
            // Its rows may be all that is left of what the log lost: nothing takes their place.
            self.live.drop_successor();
            round.rebuild_failed = round.trouble.as_ref().map(|it| it.why.clone());
        }
        match self.advance_successor(batches, target, state.is_some()) {
            Ok(Succession::None) => {}
            Ok(Succession::Further) => round.more = true,
            Ok(Succession::Done) => {
                round.rebuilt = true;
                round.trouble = None;
            }
            Err(stopped) => {
                let why = crate::chain(&stopped);
                tracing::error!(view = self.live.name(), %why, "a view cannot be built anew");
                self.live.drop_successor();
                round.rebuild_failed = Some(why);
            }
        }
        round
    }

    /// Has rows that something is wrong with built anew: beside them, where they are what was written; else in their
    /// place, and nobody gets an answer from them.
    fn mend(&mut self, stopped: &Stopped, round: &mut Round) {
        let sound = self.live.verify().is_ok();
        if !sound {
            self.live.withhold();
        }
        if self.automatic >= MAX_REBUILDS || (sound && self.live.successor().is_some()) {
            return;
        }
        if sound {
            let begun = self.begin_successor();
            self.automatic += u32::from(begun.is_ok());
            round.rebuild_failed = begun.err().map(|it| crate::chain(&it));
            return;
        }
        match self.live.rebuild(&crate::chain(stopped)) {
            Ok(aside) => {
                self.automatic += 1;
                tracing::error!(?aside, "rows that cannot be trusted were put aside");
                round.rebuilt = true;
                round.more = true;
            }
            Err(error) => round.rebuild_failed = Some(crate::chain(&error)),
        }
    }

    /// Brings the view forward by one batch; whether there is more.
    fn advance_live<R: LogReader>(
        &mut self,
        batches: &mut Batches<'_, R>,
        target: Position,
    ) -> Result<bool, Stopped> {
        // The log may have grown since `target` was read: only its own end can be too short for a view.
        self.live.check_head(batches.log.head().position)?;
        if let Some(what) = self.live.noticed() {
            return Err(StoreError::Broken { view: self.live.name(), what }.into());
        }
        let at = bring_forward(self.live.as_mut(), batches, target)?;
        if at >= target {
            self.live.show()?;
        }
        Ok(at < target)
    }

    /// Brings the successor forward by one batch; where it stands beside the live view, it takes its place.
    fn advance_successor<R: LogReader>(
        &mut self,
        batches: &mut Batches<'_, R>,
        target: Position,
        stuck: bool,
    ) -> Result<Succession, Stopped> {
        let Some(successor) = self.live.successor() else { return Ok(Succession::None) };
        if bring_forward(successor, batches, target)? < target {
            return Ok(Succession::Further);
        }
        let Some(switched) = self.live.switch(stuck.then_some(target))? else { return Ok(Succession::None) };
        let (view, position) = (self.live.name(), switched.position.0);
        metrics::counter!("linggong_view_rebuilds_total", "view" => view).increment(1);
        tracing::info!(view, position, "the view that was built anew takes the place of the live one");
        if let Some(aside) = switched.aside {
            metrics::counter!("linggong_view_differences_total", "view" => view).increment(1);
            tracing::error!(?aside, "a view had other rows than its log gives");
        }
        Ok(Succession::Done)
    }
}

/// What a round did for a successor.
enum Succession {
    /// There is none, or it waits for the live view.
    None,
    /// Another round brings it further.
    Further,
    /// It is the live view now.
    Done,
}

/// Brings one view forward by one batch; where it stands then.
fn bring_forward<R: LogReader>(
    view: &mut dyn AnyProjection,
    batches: &mut Batches<'_, R>,
    target: Position,
) -> Result<Position, Stopped> {
    let from = view.checkpoint()?;
    if from >= target {
        return Ok(from);
    }
    if let Some(position) = view.parked() {
        return Err(StoreError::Poison { view: view.name(), position }.into());
    }
    let batch = batches.after(from, target)?;
    if batch.is_empty() {
        return Err(Stopped::Missing(from.next()));
    }
    Ok(view.apply_batch(&batch)?)
}

/// Reads the log for all views of one round; those that stand at one place share what was read.
struct Batches<'a, R> {
    log: &'a R,
    last: Option<(Position, Arc<Vec<Recorded>>)>,
}

impl<R: LogReader> Batches<'_, R> {
    /// The next events after `from`, whole commits, about [`BATCH`] of them and none after `target`.
    fn after(&mut self, from: Position, target: Position) -> Result<Arc<Vec<Recorded>>, Stopped> {
        if let Some((at, batch)) = &self.last
            && *at == from
        {
            return Ok(batch.clone());
        }
        let mut batch = Vec::new();
        if let Some(first) = self.log.commit_of(from.next())? {
            for commit in self.log.commits(first.header().commit) {
                for event in commit?.events() {
                    let event = event?;
                    if event.outline().position > from && event.outline().position <= target {
                        batch.push(event);
                    }
                }
                if batch.len() >= BATCH || batch.last().is_some_and(|it| it.outline().position >= target) {
                    break;
                }
            }
        }
        let batch = Arc::new(batch);
        self.last = Some((from, batch.clone()));
        Ok(batch)
    }
}
