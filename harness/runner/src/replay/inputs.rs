//! What a run was made from, out of its evidence store: scenarios and firmware sets.

use super::{ReplayRequest, StepReplay};
use crate::firmware::Firmware;
use hil_record::{
    FirmwareInfo, InputFile, InputRole, Objects, ScenarioStarted, StepInfo, Verdict, sweep_variant,
};
use hil_scenario::{FirmwareSet, PlannedStep, Scenario, Variant};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// The inputs of a run. Each is read when it is first needed.
pub(super) struct Inputs<'a> {
    files: &'a [InputFile],
    objects: &'a Objects,
    decryption_key: Option<&'a Path>,
    /// By digest of the set.
    firmware: BTreeMap<String, Result<Firmware, String>>,
    /// By name.
    variants: BTreeMap<String, Option<Variant>>,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(request: &ReplayRequest<'a>, objects: &'a Objects) -> Self {
        Self {
            files: request.inputs,
            objects,
            decryption_key: request.decryption_key,
            firmware: BTreeMap::new(),
            variants: BTreeMap::new(),
        }
    }

    pub(super) const fn objects(&self) -> &'a Objects {
        self.objects
    }

    /// A firmware set as the run had it; why it cannot be had, in a sentence.
    pub(super) fn firmware(&mut self, info: Option<&FirmwareInfo>) -> Result<&Firmware, &str> {
        let info = info.ok_or("the journal does not say which firmware set it ran with")?;
        if !self.firmware.contains_key(&info.digest) {
            let made = self.read_set(info);
            self.firmware.insert(info.digest.clone(), made);
        }
        match self.firmware.get(&info.digest) {
            Some(Ok(firmware)) => Ok(firmware),
            Some(Err(problem)) => Err(problem),
            None => Err("the firmware set is not known"),
        }
    }

    fn read_set(&self, info: &FirmwareInfo) -> Result<Firmware, String> {
        let name = &info.name;
        let of_set = |role: InputRole| {
            self.files
                .iter()
                .filter(move |file| file.role == role)
                .filter(|file| file.set.as_ref() == Some(&info.digest))
        };
        let get = |file: &InputFile| {
            self.objects
                .get(&file.sha256)
                .map_err(|error| format!("`{}` of firmware set `{name}`: {error}", file.name))
        };
        let file = of_set(InputRole::FirmwareSet)
            .next()
            .ok_or_else(|| format!("the run did not keep firmware set `{name}`"))?;
        let text = String::from_utf8(get(file)?)
            .map_err(|_| format!("the file of firmware set `{name}` is no text"))?;
        let io =
            |error: std::io::Error| format!("firmware set `{name}` cannot be laid out: {error}");
        let folder = tempfile::tempdir().map_err(io)?;
        for file in of_set(InputRole::Firmware) {
            let relative = Path::new(&file.name);
            let stays = relative
                .components()
                .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if !stays {
                return Err(format!("`{}` lies outside its firmware set", file.name));
            }
            let path = folder.path().join(relative);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(io)?;
            }
            std::fs::write(&path, get(file)?).map_err(io)?;
        }
        let keys = tempfile::tempdir().map_err(io)?;
        let signing = match of_set(InputRole::PublicKey).next() {
            Some(key) => {
                let path = keys.path().join("signing.pem");
                std::fs::write(&path, get(key)?).map_err(io)?;
                Some(path)
            }
            None => None,
        };
        let rewritten = with_keys(&text, signing.as_deref(), self.decryption_key)
            .map_err(|error| format!("the file of firmware set `{name}` is no YAML: {error}"))?;
        // Its own name must not be that of one of its files.
        let path = folder.path().join(format!("{}.set.yaml", info.digest));
        std::fs::write(&path, rewritten).map_err(io)?;
        let set = FirmwareSet::load(&path).map_err(|error| error.render())?;
        let found = hex::encode(set.digest_with(&text));
        if found != info.digest {
            return Err(format!(
                "firmware set `{name}` has digest {found}, the journal says {}",
                info.digest
            ));
        }
        Firmware::new(set).map_err(|error| crate::error_chain(&error))
    }

    /// The step of the scenario file that a step of the journal is.
    pub(super) fn planned(
        &mut self,
        started: &ScenarioStarted,
        step: &StepInfo,
    ) -> Option<PlannedStep> {
        step.line?;
        let variant = self.variant(started)?;
        let planned = variant.steps.iter();
        planned
            .filter(|planned| planned.number == step.number)
            .find(|planned| planned.step.name() == step.name)
            .cloned()
    }

    /// Why the steps that ended are not those of the scenario file, if they are not.
    pub(super) fn other_steps(
        &mut self,
        started: &ScenarioStarted,
        steps: &[StepReplay],
    ) -> Option<String> {
        let Some(variant) = self.variant(started) else {
            return Some(format!(
                "the evidence has no scenario file `{}` with variant `{}`",
                started.file, started.scenario
            ));
        };
        let found: Vec<(u32, &str)> = steps
            .iter()
            .filter(|step| step.step.line.is_some())
            .map(|step| (step.step.number, step.step.name.as_str()))
            .collect();
        let planned: Vec<(u32, &str)> = variant
            .steps
            .iter()
            .map(|step| (step.number, step.step.name()))
            .collect();
        // Trouble of the bench before the first step leaves none.
        let ran = steps.iter().any(|step| step.verdict != Verdict::Skip);
        (ran && found != planned).then(|| {
            format!(
                "the journal has {} steps of `{}`, which has {} others",
                found.len(),
                started.file,
                planned.len()
            )
        })
    }

    fn variant(&mut self, started: &ScenarioStarted) -> Option<&Variant> {
        if !self.variants.contains_key(&started.scenario) {
            let found = self.read_variant(started);
            self.variants.insert(started.scenario.clone(), found);
        }
        self.variants.get(&started.scenario)?.as_ref()
    }

    fn read_variant(&mut self, started: &ScenarioStarted) -> Option<Variant> {
        let file = self
            .files
            .iter()
            .find(|file| file.role == InputRole::Scenario && file.name == started.file)?;
        let text = String::from_utf8(self.objects.get(&file.sha256).ok()?).ok()?;
        let mut scenario = Scenario::parse(&started.file, &text).ok()?;
        if scenario.asks_for_releases() {
            let firmware = self.firmware(started.firmware.as_ref()).ok()?;
            scenario = scenario
                .with_releases(&firmware.set().release_names())
                .ok()?;
        }
        let mut variants = scenario.expand().into_iter();
        let name = sweep_variant(&started.scenario);
        variants.find(|variant| variant.name == name)
    }
}

/// The text of a firmware set with the keys that there are, and without those that there are not.
fn with_keys(
    text: &str,
    signing: Option<&Path>,
    decryption: Option<&Path>,
) -> Result<String, serde_yaml::Error> {
    let mut set: serde_yaml::Value = serde_yaml::from_str(text)?;
    let mut keys = serde_yaml::Mapping::new();
    let has_decryption = set
        .get("keys")
        .is_some_and(|keys| keys.get("encryption").is_some());
    let decryption = decryption.filter(|_| has_decryption);
    for (name, path) in [("signing", signing), ("encryption", decryption)] {
        if let Some(path) = path {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            keys.insert(name.into(), path.display().to_string().into());
        }
    }
    if let Some(set) = set.as_mapping_mut() {
        set.remove("keys");
        if !keys.is_empty() {
            set.insert("keys".into(), keys.into());
        }
    }
    serde_yaml::to_string(&set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_the_evidence_does_not_have_are_left_out_of_a_set() {
        let text =
            "firmware: demo\nkeys: { signing: a.pem, signing-private: b.pem, encryption: c.pem }\n";
        let found = with_keys(text, Some(Path::new("/kept.pem")), None).unwrap();
        assert_eq!(found, "firmware: demo\nkeys:\n  signing: /kept.pem\n");
        let with_key = with_keys(text, None, Some(Path::new("/mine.pem"))).unwrap();
        assert_eq!(with_key, "firmware: demo\nkeys:\n  encryption: /mine.pem\n");
        let plain = with_keys("firmware: demo\n", None, Some(Path::new("/mine.pem"))).unwrap();
        assert_eq!(
            plain, "firmware: demo\n",
            "it has nothing that is encrypted"
        );
    }
}
