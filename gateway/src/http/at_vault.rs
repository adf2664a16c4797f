//! The one vault of a server, among all who want something of it: on a blocking thread, one at a time where something
//! is written, and no more in line for that than are served soon. What the ledger decides is told to it in the ledger's order.

use std::sync::{Arc, PoisonError, RwLock, TryLockError};

use axum::http::StatusCode;
use linggong_engine::command::Command;
use linggong_engine::person::{PersonCommand, ToldAnew};
use linggong_engine::state::State;
use linggong_events::id::{KeyId, PersonId};
use linggong_events::person::KeyState;
use tokio::sync::Semaphore;

use super::error::Problem;
use crate::partition_task::PartitionHandle;
use crate::vault::{CommandDigests, Vault, VaultError};

/// How many may be in line. Most of what is asked of the vault is a record written and synced: this many wait for
/// about a second, and hold as many threads meanwhile.
const PLACES: usize = 64;

/// The vault, shared by all requests.
#[derive(Debug)]
pub struct SharedVault {
    vault: RwLock<Vault>,
    /// Takes the digests of commands.
    pub(super) digests: CommandDigests,
    places: Arc<Semaphore>,
    /// Held from asking the ledger until the vault was told its answer.
    telling: tokio::sync::Mutex<()>,
}

impl SharedVault {
    /// Shares a vault.
    pub fn new(vault: Vault) -> Arc<SharedVault> {
        Arc::new(SharedVault {
            digests: vault.command_digests(),
            vault: RwLock::new(vault),
            places: Arc::new(Semaphore::new(PLACES)),
            telling: tokio::sync::Mutex::new(()),
        })
    }

    /// Does `work` at the vault, after those who are in line; refuses where the line is long.
    pub(super) async fn at<A: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Vault) -> A + Send + 'static,
    ) -> Result<A, Problem> {
        let busy = |_| {
            let detail = "too many wait for the vault: come back in a moment";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(1)
        };
        let place = self.places.clone().try_acquire_owned().map_err(busy)?;
        // The place goes with the work: whoever hangs up meanwhile still holds the thread.
        self.on_a_thread(move |vault| {
            let done = work(vault);
            drop(place);
            done
        })
        .await
    }

    /// Looks something up that leaves no record, beside others who do so.
    pub(super) async fn look<A: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Vault) -> A + Send + 'static,
    ) -> Result<A, Problem> {
        let shared = self.clone();
        let looked = tokio::task::spawn_blocking(move || {
            question(&shared.vault.read().unwrap_or_else(PoisonError::into_inner))
        });
        looked.await.map_err(|error| Problem::internal(&error))
    }

    /// Looks at once what the vault has in memory; none where somebody writes just now. For questions that take no
    /// longer than changing threads would.
    pub(super) fn glance<A>(&self, question: impl FnOnce(&Vault) -> A) -> Option<A> {
        match self.vault.try_read() {
            Ok(vault) => Some(question(&vault)),
            Err(TryLockError::Poisoned(vault)) => Some(question(&vault.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Tells the vault what the ledger says now; never refused, for the ledger has decided. One after another from the
    /// question on, so that an older answer is not told after a newer one.
    async fn tell<A: Send + 'static>(
        self: &Arc<Self>,
        partition: &PartitionHandle,
        ask: impl FnOnce(&State) -> A + Send + 'static,
        tell: impl FnOnce(&mut Vault, A) -> Result<(), VaultError> + Send + 'static,
    ) -> Result<(), Problem> {
        let _telling = self.telling.lock().await;
        let said = partition.ask(move |partition, _| ask(partition.state())).await?;
        let told = self.on_a_thread(move |vault| tell(vault, said)).await?;
        told.map_err(|error| Problem::internal(&error))
    }

    async fn on_a_thread<A: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Vault) -> A + Send + 'static,
    ) -> Result<A, Problem> {
        let shared = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            // A panic while the vault was held cannot leave it half written: every record is whole or absent.
            work(&mut shared.vault.write().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.map_err(|error| Problem::internal(&error))
    }
}

/// What the vault is told once the ledger has decided about a command. The events are durable then; a crash before it
/// was told is made good at the next start, from the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) enum Follows {
    /// The state of a person's key.
    Key(PersonId, KeyId),
    /// Whose cards are live.
    Cards(PersonId),
    /// Whether what was told anew of a person is so.
    Revision(PersonId, ToldAnew),
}

impl Follows {
    pub(super) fn of(command: &Command) -> Option<Follows> {
        match command {
            Command::Person(command) => match command {
                PersonCommand::SetKeyState(it) => Some(Follows::Key(it.person, it.key)),
                PersonCommand::IssueCard(it) => Some(Follows::Cards(it.person)),
                PersonCommand::EndCard(it) => Some(Follows::Cards(it.person)),
                PersonCommand::Revise(it) => {
                    Some(Follows::Revision(it.revision.person, ToldAnew::by(&it.revision)))
                }
                PersonCommand::Link(_) | PersonCommand::Unlink(_) => None,
                PersonCommand::ProposeOpening(_) | PersonCommand::ConfirmOpening(_) => None,
            },
            Command::Market(_)
            | Command::Office(_)
            | Command::Worker(_)
            | Command::Employer(_)
            | Command::Posting(_)
            | Command::Offer(_)
            | Command::Hire(_)
            | Command::Attendance(_)
            | Command::Wage(_)
            | Command::Insurance(_)
            | Command::Claim(_)
            | Command::Case(_)
            | Command::Rules(_) => None,
        }
    }

    /// Tells the vault what the ledger says now, which after a repeated command may be something later.
    pub(super) async fn told(
        self,
        vault: &Arc<SharedVault>,
        partition: &PartitionHandle,
    ) -> Result<(), Problem> {
        match self {
            Follows::Key(person, key) => {
                let ask = move |state: &State| state.key_state_of(person).unwrap_or(KeyState::Active);
                vault.tell(partition, ask, move |vault, state| vault.change_key_state(key, state)).await
            }
            Follows::Cards(person) => {
                let ask = move |state: &State| state.cards().filter(|it| it.0 == person).collect::<Vec<_>>();
                let tell = |vault: &mut Vault, cards: Vec<_>| {
                    cards.into_iter().try_for_each(|(person, card, live)| vault.set_card(person, card, live))
                };
                vault.tell(partition, ask, tell).await
            }
            Follows::Revision(person, asked) => {
                let ask = move |state: &State| state.told_anew(person);
                let tell = move |vault: &mut Vault, ledger| vault.settle_revision(person, asked, ledger);
                vault.tell(partition, ask, tell).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use axum::response::IntoResponse as _;
    use tempfile::TempDir;

    use super::*;
    use crate::vault::VaultSettings;

    fn shared() -> (TempDir, Arc<SharedVault>) {
        let directory = tempfile::tempdir().unwrap();
        let settings = VaultSettings {
            directory: directory.path().join("vault"),
            master_key: directory.path().join("master.key"),
            log: "lg-37".to_owned(),
            demo: false,
        };
        let shared = SharedVault::new(Vault::open(&settings).unwrap());
        (directory, shared)
    }

    /// Until so many places are left.
    async fn left(shared: &SharedVault, places: usize) {
        while shared.places.available_permits() != places {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_line_before_the_vault_is_bounded_and_whoever_comes_too_late_is_told_when_to_come_back() {
        let (_directory, shared) = shared();
        let (go, held) = mpsc::channel::<()>();
        let at = |n: usize| {
            let shared = shared.clone();
            async move { shared.at(move |_| n).await }
        };
        let first = shared.clone();
        let first = tokio::spawn(async move { first.at(move |_| held.recv()).await });
        left(&shared, PLACES - 1).await;
        let others: Vec<_> = (1..PLACES).map(|n| tokio::spawn(at(n))).collect();
        left(&shared, 0).await;

        let late = at(PLACES).await.unwrap_err();
        assert!(format!("{late:?}").contains("retry_after: Some(1)"), "{late:?}");
        assert_eq!(late.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);

        go.send(()).unwrap();
        first.await.unwrap().unwrap().unwrap();
        for (other, n) in others.into_iter().zip(1..) {
            assert_eq!(other.await.unwrap().unwrap(), n, "whoever is in line is served");
        }
        assert_eq!(at(PLACES).await.unwrap(), PLACES);
    }

    #[tokio::test]
    async fn whoever_hangs_up_keeps_the_place_until_the_work_is_done() {
        let (_directory, shared) = shared();
        let (go, held) = mpsc::channel::<()>();
        let hung_up = shared.clone();
        let hung_up = tokio::spawn(async move { hung_up.at(move |_| held.recv()).await });
        left(&shared, PLACES - 1).await;
        hung_up.abort();
        assert!(hung_up.await.unwrap_err().is_cancelled());
        assert_eq!(shared.places.available_permits(), PLACES - 1, "its thread still waits");
        go.send(()).unwrap();
        shared.at(|_| ()).await.unwrap();
        left(&shared, PLACES).await;
    }
}
