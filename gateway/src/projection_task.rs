//! The thread that brings every view forward from the log.

use linggong_events::envelope::Recorded;
use linggong_events::log::LogReader;
use linggong_events::measure::Position;
use linggong_projections::{AnyProjection, StoreError};
use serde::Serialize;
use tokio::sync::watch;

/// The most events of one batch: rows and checkpoint of so many are written at once.
const BATCH: usize = 1000;

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
    pub trouble: Option<String>,
    /// How often it was rebuilt since start.
    pub rebuilt: u32,
}

/// Talks to the projection thread.
#[derive(Clone, Debug)]
pub struct ProjectionsHandle {
    standings: watch::Receiver<Vec<Standing>>,
    rebuilds: std::sync::mpsc::Sender<&'static str>,
}

impl ProjectionsHandle {
    /// Where every view stands.
    pub fn standings(&self) -> Vec<Standing> {
        self.standings.borrow().clone()
    }

    /// Waits until each of `views` stands at `position` or further.
    pub async fn reached(&self, views: &[&str], position: Position) -> Result<(), Parked> {
        let mut standings = self.standings.clone();
        let concerned = |all: &[Standing], test: &dyn Fn(&Standing) -> bool| {
            all.iter().filter(|it| views.contains(&it.name)).any(test)
        };
        let settled = |all: &Vec<Standing>| {
            concerned(all, &|it| it.trouble.is_some()) || !concerned(all, &|it| it.position < position)
        };
        let found = standings.wait_for(settled).await.map_err(|_| Parked)?;
        if concerned(&found, &|it| it.trouble.is_some()) { Err(Parked) } else { Ok(()) }
    }

    /// Waits until every view there is stands at `position` or further.
    pub async fn all_reached(&self, position: Position) -> Result<(), Parked> {
        let views: Vec<_> = self.standings.borrow().iter().map(|it| it.name).collect();
        self.reached(&views, position).await
    }

    /// Asks for a view to be rebuilt from event 1; `false` where there is none of that name.
    pub fn rebuild(&self, name: &str) -> bool {
        let known = self.standings().into_iter().find(|it| it.name == name);
        known.is_some_and(|it| self.rebuilds.send(it.name).is_ok())
    }
}

/// A view that is asked for stands still: what it holds is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a view stands still")]
pub struct Parked;

/// Starts the thread; `head` wakes it, and it ends when `head` is gone.
pub fn start<R: LogReader>(
    mut projections: Vec<Box<dyn AnyProjection>>,
    log: R,
    mut head: watch::Receiver<linggong_events::commit::Head>,
    runtime: tokio::runtime::Handle,
) -> std::io::Result<(ProjectionsHandle, std::thread::JoinHandle<()>)> {
    let standing = |it: &dyn AnyProjection| Standing {
        name: it.name(),
        version: it.version(),
        position: it.checkpoint().unwrap_or_default(),
        trouble: None,
        rebuilt: 0,
    };
    let at_start = log.head().position;
    for view in &projections {
        // A new view answers once it knows what the log knew; one ahead of its log never does.
        if at_start.0 > 0 && view.checkpoint().is_ok_and(|it| it.0 == 0) {
            view.withhold();
        }
        // Told again, and loudly, by the thread.
        let _ = view.check_head(at_start);
    }
    let (standings, seen) =
        watch::channel(projections.iter().map(|it| standing(it.as_ref())).collect::<Vec<_>>());
    let (rebuilds, asked) = std::sync::mpsc::channel();
    let handle = ProjectionsHandle { standings: seen, rebuilds };
    let thread = std::thread::Builder::new().name("projections".into()).spawn(move || {
        loop {
            let target = head.borrow_and_update().position;
            for name in asked.try_iter() {
                rebuild(&mut projections, name, "asked for", &standings);
            }
            for (n, projection) in projections.iter_mut().enumerate() {
                let outcome = catch_up(projection.as_mut(), &log, target);
                let rebuilt = standings.borrow().get(n).map_or(0, |it| it.rebuilt);
                let mut again = false;
                if let Err(trouble) = &outcome {
                    tracing::error!(view = projection.name(), trouble = %crate::chain(trouble), "a view cannot go on");
                    // What cannot be read is put aside and built anew: nobody gets an answer from it.
                    if trouble.calls_for_rebuild() {
                        projection.withhold();
                    }
                    again = trouble.calls_for_rebuild()
                        && rebuilt < 3
                        && projection.rebuild("its rows cannot be trusted").is_ok();
                }
                let position = projection.checkpoint().unwrap_or_default();
                standings.send_modify(|all| {
                    let Some(standing) = all.get_mut(n) else { return };
                    standing.position = position;
                    standing.trouble = outcome.err().map(|it| crate::chain(&it));
                    standing.rebuilt += u32::from(again);
                });
            }
            let behind = standings.borrow().iter().any(|it| it.trouble.is_some() || it.position < target);
            // A view in trouble is looked at again each second; else only a new commit wakes us.
            let woken = runtime.block_on(async {
                let wait = std::time::Duration::from_secs(if behind { 1 } else { 5 });
                tokio::time::timeout(wait, head.changed()).await
            });
            if let Ok(Err(_)) = woken {
                return;
            }
        }
    })?;
    Ok((handle, thread))
}

/// Why a view did not reach its target.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("its store failed")]
    Store(#[from] StoreError),
    #[error("the log cannot be read")]
    Log(#[from] linggong_events::log::ReadError),
    #[error("an event cannot be read")]
    Event(#[from] linggong_events::envelope::EnvelopeError),
}

impl Trouble {
    /// Whether the rows cannot be trusted. A view ahead of its log is an alarm, never a reason to start anew.
    fn calls_for_rebuild(&self) -> bool {
        match self {
            Trouble::Store(error) => error.calls_for_rebuild(),
            Trouble::Log(_) | Trouble::Event(_) => false,
        }
    }
}

fn catch_up<R: LogReader>(
    projection: &mut dyn AnyProjection,
    log: &R,
    target: Position,
) -> Result<(), Trouble> {
    // The log may have grown since `target` was read: only its own end can be too short for a view.
    projection.check_head(log.head().position)?;
    if let Some(what) = projection.noticed() {
        return Err(StoreError::Broken { view: projection.name(), what }.into());
    }
    let mut from = projection.checkpoint()?;
    while from < target {
        let Some(first) = log.commit_of(from.next())? else { return Ok(()) };
        let mut batch: Vec<Recorded> = Vec::new();
        for commit in log.commits(first.header().commit) {
            for event in commit?.events() {
                let event = event?;
                if event.meta().position > from {
                    batch.push(event);
                }
            }
            if batch.len() >= BATCH {
                break;
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        from = projection.apply_batch(&batch)?;
    }
    projection.show();
    Ok(())
}

fn rebuild(
    projections: &mut [Box<dyn AnyProjection>],
    name: &str,
    reason: &str,
    standings: &watch::Sender<Vec<Standing>>,
) {
    let Some(projection) = projections.iter_mut().find(|it| it.name() == name) else { return };
    // Its rows go now: nobody who waits for an event may take them for caught up.
    standings.send_modify(|all| {
        if let Some(standing) = all.iter_mut().find(|it| it.name == name) {
            standing.position = Position::default();
            standing.rebuilt += 1;
        }
    });
    projection.withhold();
    match projection.rebuild(reason) {
        Ok(_) => tracing::info!(view = name, "the view is built anew"),
        Err(error) => {
            tracing::error!(view = name, error = %crate::chain(&error), "the view cannot be built anew")
        }
    }
}
