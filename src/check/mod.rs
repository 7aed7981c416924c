//! Around the path, check: a configuration, or a task definition → what is wrong with it, what it
//! does, and where each value comes from.
//!
//! Pure but for the files that are named, which are read through [`Files`]. The way: `task` makes a
//! configuration of a task definition, `config` reads it, [`route`], [`limit`] and [`permission`]
//! say what follows, the modules of findings what will hurt. All of it is put into a [`Report`],
//! which holds nothing that may not be shown. Not known here: how a configuration is read.

mod finding;
mod limit;
mod permission;
mod pipeline;
mod report;
mod route;
mod rule;
mod sample;
mod section;
mod shown;
mod socket;
mod target;
mod task;
mod words;

mod json;
mod text;

use std::path::PathBuf;

use crate::config::{self, Environment, Files};

pub use finding::{At, Finding, Severity};
pub use report::{Kind, Report};
pub use rule::Rule;
pub use task::{External, Launch, Surroundings};

/// What to check.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// A configuration or a task definition; `None` is the configuration that holds without a file.
    pub file: Option<PathBuf>,
    /// Tags to say the way of, beside those that the configuration tells.
    pub tags: Vec<String>,
    /// Files that stand for files of the task.
    pub externals: Vec<External>,
    /// Where the task runs, if the task definition leaves it open.
    pub launch: Option<Launch>,
    /// What the ECS agent would know of the task.
    pub surroundings: Surroundings,
}

/// Checks what `request` names, in an environment.
#[must_use]
pub fn run(request: &Request, files: &dyn Files, environment: &Environment) -> Report {
    let Some(path) = &request.file else {
        let config = config::embedded(environment);
        return pipeline::report((Kind::BuiltIn, ""), &config, environment, request);
    };
    if let Some(bytes) = task::document_bytes(path, files) {
        return task::report(path, &bytes, files, request);
    }
    let name = path.display().to_string();
    let config = config::load(path, files, environment);
    pipeline::report((Kind::Configuration, &name), &config, environment, request)
}

#[cfg(test)]
mod tests;
