//! Evidence that somebody has changed, as who has the folder of a run could.

use hil_record::{Event, Manifest, RunDirectory, RunRecord, read_journal};
use std::fs;
use std::path::Path;

/// Rewrites the events of a journal, and the manifest with it.
pub(crate) fn forge(run: &Path, mut change: impl FnMut(&mut Event)) {
    let directory = RunDirectory::at(run);
    let mut contents = read_journal(&directory.journal()).expect("the run left a journal");
    let mut text = "{\"journal\":1}\n".to_owned();
    for event in &mut contents.events {
        change(event);
        text.push_str(&serde_json::to_string(event).expect("an event can be written"));
        text.push('\n');
    }
    fs::write(directory.journal(), text).expect("the folder is ours");
    let record = RunRecord::from_events(&contents.events).expect("it begins with a start");
    let manifest = Manifest::of(&directory, &record).expect("the files can be read");
    manifest.write(&directory).expect("the folder is ours");
}
