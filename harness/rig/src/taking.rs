//! Taking the leases of a rig's boards: all or none, at once or after waiting for who has them; or, for who asks for it, those
//! that are free when the waiting is over.

use crate::error::RigError;
use crate::file::RigFile;
use crate::lease::{self, Holder, Lease, Ticket};
use crate::rig::{BoardsInUse, RigOptions};
use hil_clock::Instant;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is looked whether boards are free: somebody who waits for minutes does not notice it.
const LOOK_FOR_BOARDS_EVERY: Duration = Duration::from_millis(200);

/// Leases of boards, by name; and the boards that somebody else has.
pub(crate) type Taken = (BTreeMap<String, Lease>, Vec<(String, RigError)>);

/// A board that is not started for the run: its name, and what its lease is called by.
type Wanted<'a> = (&'a str, String);

/// Takes the leases of the boards on the bench.
///
/// # Errors
/// A board is in use and the rig is not to go without it; all boards are in use; or leases cannot be taken at all.
pub(crate) fn leases(
    file: &RigFile,
    options: &RigOptions,
    until: Option<Instant>,
) -> Result<Taken, RigError> {
    let mut wanted: Vec<Wanted<'_>> = file
        .boards
        .iter()
        .filter_map(|spec| Some((spec.name.as_str(), spec.kind.key()?)))
        .collect();
    let taking = Taking {
        rig: &file.name,
        options,
        folder: options
            .lease_folder
            .clone()
            .unwrap_or_else(lease::default_folder),
    };
    let others = file.boards.len() - wanted.len();
    let mut away = Vec::new();
    let mut taken = taking.all(&wanted, until);
    // It has waited for all of them; what is free now is taken at once. Each turn is without one board more.
    while let (BoardsInUse::GoWithout, Err(RigError::BoardInUse { board, .. })) =
        (options.in_use, &taken)
    {
        let board = board.clone();
        wanted.retain(|(name, _)| *name != board);
        if wanted.is_empty() && others == 0 {
            break;
        }
        if let Err(error) = std::mem::replace(&mut taken, Ok(BTreeMap::new())) {
            away.push((board, error));
        }
        taken = taking.all(&wanted, None);
    }
    Ok((taken?, away))
}

struct Taking<'a> {
    rig: &'a str,
    options: &'a RigOptions,
    folder: PathBuf,
}

impl Taking<'_> {
    /// The leases of all of these boards, or none: who has one and waits for another would be in everybody's way.
    fn all(
        &self,
        wanted: &[Wanted<'_>],
        until: Option<Instant>,
    ) -> Result<BTreeMap<String, Lease>, RigError> {
        let Some((first, _)) = wanted.first() else {
            return Ok(BTreeMap::new());
        };
        let Self {
            rig,
            options,
            folder,
        } = self;
        let clock = &*options.clock;
        let queue = |source| RigError::Lease {
            board: (*first).to_owned(),
            path: folder.join("queue"),
            source,
        };
        let me = Holder::this_process(
            (*rig).to_owned(),
            Some("waits for it and comes first".to_owned()),
            clock,
        );
        let serials = wanted.iter().map(|(_, serial)| serial.clone());
        let ticket =
            Ticket::draw(folder, options.class, me, serials.collect(), clock).map_err(queue)?;
        let mut known = None;
        loop {
            let taken = match ticket.behind().map_err(queue)? {
                Some((holder, serial)) => {
                    let board = wanted.iter().find(|(_, known)| *known == serial);
                    Err(RigError::BoardInUse {
                        board: board.map_or(*first, |(board, _)| board).to_owned(),
                        holder: Box::new(holder),
                    })
                }
                None => self.each(folder, wanted),
            };
            let (Some(waiting), Some(until), Err(RigError::BoardInUse { holder, .. })) =
                (&options.waiting, until, &taken)
            else {
                return taken;
            };
            let news = known.as_ref() != Some(holder);
            let goes_on = (waiting.told)(news.then_some(&**holder)).is_continue();
            if !goes_on || clock.now() >= until {
                return taken;
            }
            known = Some(holder.clone());
            clock.sleep_until(until.min(clock.now() + LOOK_FOR_BOARDS_EVERY));
        }
    }

    fn each(
        &self,
        folder: &Path,
        wanted: &[Wanted<'_>],
    ) -> Result<BTreeMap<String, Lease>, RigError> {
        let clock = &*self.options.clock;
        wanted
            .iter()
            .map(|(board, serial)| {
                let lease = Lease::take(folder, board, self.rig, serial, clock)?;
                Ok(((*board).to_owned(), lease))
            })
            .collect()
    }
}
