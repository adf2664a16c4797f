//! 关系: what an actor has to do with what a command is about, and on whose behalf they speak.

use linggong_events::envelope::Channel;
use linggong_events::mandate::Mandate;

use crate::command::Context;
use crate::refusal::Refusal;

/// Refuses whoever says that a person stands before them where nobody can: a window is at a desk, and only those
/// who sit there see who comes to it. A paper mandate may come from anybody; it lies in the vault by then.
pub(crate) fn check_mandate_founded(context: &Context<'_>) -> Result<(), Refusal> {
    match context.about.on_behalf_of.map(|it| it.mandate) {
        None | Some(Mandate::Paper(_)) => Ok(()),
        Some(Mandate::InPerson) => {
            let at_a_window =
                context.channel() == Channel::Window && context.actor.channels().contains(&Channel::Window);
            if at_a_window { Ok(()) } else { Err(Refusal::MandateUnfounded) }
        }
    }
}

#[cfg(test)]
mod tests {
    use linggong_events::employer::EmployerKind;
    use linggong_events::office::Role;

    use super::*;
    use crate::hire::Start;
    use crate::testing::{DIGEST, Given, HIRE, PERSON, actor, at, clerk, hired, worker};

    /// A command whose relation holds for whoever gives it, so that the mandate alone decides.
    fn starts(given: Given) -> crate::testing::Then {
        given.at("2026-11-22 07:05").when(Start { hire: HIRE, at: at("2026-11-22 07:00") })
    }

    #[test]
    fn who_stands_before_one_is_seen_by_the_staff_at_a_window_and_by_nobody_else() {
        let by = |actor| hired(EmployerKind::Enterprise).by(actor);
        starts(by(clerk()).for_person(PERSON)).then(["hire.started"]);
        for role in [Role::Worker, Role::Employer, Role::CrewLeader, Role::Gate] {
            starts(by(actor(role, 0)).for_person(PERSON)).then_refused("mandate_unfounded");
        }
        for channel in [None, Some(Channel::Online), Some(Channel::Phone), Some(Channel::Import)] {
            starts(by(clerk()).for_person(PERSON).through(channel)).then_refused("mandate_unfounded");
        }
    }

    #[test]
    fn a_paper_mandate_may_come_from_anywhere() {
        let by = |actor| hired(EmployerKind::Enterprise).by(actor);
        starts(by(worker()).by_mandate(PERSON, Mandate::Paper(DIGEST))).then(["hire.started"]);
        let phoned = by(clerk()).by_mandate(PERSON, Mandate::Paper(DIGEST)).through(Some(Channel::Phone));
        starts(phoned).then(["hire.started"]);
    }
}
