//! 考勤: what the worker, the employer and the gate say; assertions live side by side.

use crate::event::events;
use crate::hire::AssertedBy;
use crate::id::{AttendanceId, EventId, HireId, WorkerId};
use crate::time::{Date, Timestamp};

events! {
    /// What is said about presence.
    AttendanceEvent: Attendance {
        /// 签到.
        SignedIn = "signed_in", 1, Never => {
            attendance: AttendanceId, hire: HireId, worker: WorkerId, date: Date, at: Timestamp, asserted_by: AssertedBy,
        }
        /// 签退, with what was done.
        SignedOut = "signed_out", 1, Never => {
            attendance: AttendanceId, hire: HireId, worker: WorkerId, date: Date, at: Timestamp, asserted_by: AssertedBy,
            /// Minutes of rest that are not paid.
            break_minutes: u16,
        } + optional {
            /// Pieces done, for piece-work.
            pieces: u32,
        }
        /// 缺勤: somebody says that the worker did not come to this shift of several.
        AbsenceReported = "absence_reported", 1, Never => {
            attendance: AttendanceId, hire: HireId, worker: WorkerId, date: Date, asserted_by: AssertedBy,
        }
        /// Two sides contradict each other; an officer gets to see both.
        Contradicted = "contradicted", 1, Never => {
            attendance: AttendanceId, hire: HireId, worker: WorkerId, first: AssertedBy, second: AssertedBy,
            /// How far apart they are.
            minutes_apart: u32,
        } + optional {
            /// How far apart their counts of pieces are, for piece-work.
            pieces_apart: u32,
        }
        /// Two hires of one worker overlap in what was asserted; nothing is cancelled by machine.
        OverlapFlagged = "overlap_flagged", 1, Never => {
            attendance: AttendanceId, hire: HireId, other: HireId, worker: WorkerId,
        }
        /// Earlier words were wrong; both stay readable.
        Corrected = "corrected", 1, Never => {
            attendance: AttendanceId, hire: HireId, worker: WorkerId, corrects: EventId, at: Timestamp, reason: String,
            asserted_by: AssertedBy,
        } + optional {
            /// The right rest, where a sign-out is corrected.
            break_minutes: u16,
            /// The right count, where a sign-out is corrected.
            pieces: u32,
        }
    }
}
