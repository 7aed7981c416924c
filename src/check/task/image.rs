//! Around the path, check: the files and variables that the router finds in its container.
//!
//! Only what is known is there: the generated configuration, the files that Firelane's image has,
//! and files here that stand for others. The variables of the machine on which the check runs do not
//! count. Not known here: what is in the files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::document::{Container, Task};
use super::{External, GENERATED, Launch, Secrets, generate, shipped};
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::config::{self, Environment, Files, Place};

/// In place of a secret's value: a text that may stand anywhere, and that no message has.
const SECRET_VALUE: &str = "secret-value";

/// The file system of the router's container, as far as it is known.
#[derive(Debug)]
pub(super) struct Image {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Files here, by the paths they stand for.
    stand_ins: BTreeMap<PathBuf, PathBuf>,
    /// Whether the external configuration is among them, or there is none.
    pub(super) is_complete: bool,
    /// Files here that cannot be read.
    pub(super) unreadable: Vec<Finding>,
}

impl Image {
    pub(super) fn new(
        router: &Container,
        generated: &[u8],
        (files, externals): (&dyn Files, &[External]),
    ) -> Self {
        let shipped = shipped::files().map(|(path, bytes)| (PathBuf::from(path), bytes.to_vec()));
        let mut image = Self {
            files: shipped.collect(),
            stand_ins: BTreeMap::new(),
            is_complete: true,
            unreadable: Vec::new(),
        };
        let external = generate::external_path(router);
        for External { path, file } in externals {
            let Some(path) = path.as_ref().or(external.as_ref()) else { continue };
            match files.read(file, config::BYTES_MAX) {
                Ok(bytes) => {
                    image.stand_ins.insert(PathBuf::from(path), file.clone());
                    image.files.insert(PathBuf::from(path), bytes);
                }
                Err(error) => {
                    let at = At::Place(Place::file(&file.display().to_string()));
                    let what = format!("cannot read it: {error}");
                    image.unreadable.push(Finding::error(Rule::Configuration, at, what));
                }
            }
        }
        if let Some(path) = external.map(PathBuf::from) {
            image.is_complete = image.files.contains_key(&path);
            // An empty one lets the rest be judged.
            image.files.entry(path).or_default();
        }
        image.files.insert(PathBuf::from(GENERATED), generated.to_vec());
        image
    }
}

impl Image {
    /// Puts another configuration in the place of the generated one.
    pub(super) fn replace_generated(&mut self, text: &str) {
        self.files.insert(PathBuf::from(GENERATED), text.as_bytes().to_vec());
    }

    /// A place, in the file here if that stands for another.
    pub(super) fn locate(&self, place: &Place) -> Place {
        match self.stand_ins.get(Path::new(&*place.file)) {
            Some(file) => Place { file: file.display().to_string().into(), line: place.line },
            None => place.clone(),
        }
    }
}

impl Files for Image {
    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.files.read(path, bytes_max)
    }

    fn identity(&self, path: &Path) -> io::Result<PathBuf> {
        self.files.identity(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.files.list(folder)
    }

    fn is_elsewhere(&self) -> bool {
        true
    }
}

/// The variables of the router's container, and the names of those that hold secrets.
pub(super) fn environment(
    task: &Task,
    router: &Container,
    launch: Launch,
) -> (Environment, Secrets) {
    let mut secrets: Secrets = router.secrets.iter().cloned().collect();
    for container in &task.containers {
        let options = container.routed().into_iter().flat_map(|log| log.secrets.keys());
        secrets.extend(options.map(|option| generate::secret_variable(option, container)));
    }
    let mut variables = BTreeMap::new();
    if launch == Launch::Fargate {
        let region = task.arn.as_deref().and_then(|arn| arn.split(':').nth(3));
        let region = region.unwrap_or("REGION").to_owned();
        variables.insert("AWS_DEFAULT_REGION".to_owned(), region.clone());
        variables.insert("AWS_REGION".to_owned(), region);
    }
    variables.extend(router.environment.clone());
    variables.extend(secrets.iter().map(|name| (name.clone(), SECRET_VALUE.to_owned())));
    (Environment::new(variables, Some("HOSTNAME".to_owned())), secrets)
}
