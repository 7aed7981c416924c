//! Around the path, config: a plugin's options → the plugin of the model.
//!
//! Not known here: where the plugin stands, and what else its section says.

use super::context::Context;
use super::parsers::Parsers;
use super::plugins::{Filter, Input, Output};
use super::scripts::Scripts;
use super::{FilterKind, InputKind, OutputKind};
use crate::filter::{
    aws, checklist, content_modifier, ecs, expect, grep, modify, multiline, nest, parser,
    record_modifier, rewrite_tag, throttle, type_converter,
};
use crate::input::{self, dummy, exec, fluentbit_metrics, forward, tail, tcp};
use crate::multiline::config::Registry;
use crate::option::Options;
use crate::output::{self, cloudwatch, cloudwatch_logs, file, http, stdout};

/// What inputs and filters name, and what is common to them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registries<'a> {
    pub(super) parsers: &'a Parsers,
    pub(super) multiline_parsers: &'a Registry,
    pub(super) multiline_bytes_max: usize,
    pub(super) scripts: &'a Scripts,
    pub(super) hostname: Option<&'a str>,
}

/// The input; `None` after a problem was reported.
pub(super) fn input(
    plugin: Input,
    options: &mut Options,
    registries: &Registries<'_>,
) -> Option<InputKind> {
    match plugin {
        Input::Forward => forward::config::Config::from_options(options).map(InputKind::Forward),
        Input::Tail => {
            let find = |name: &str| registries.parsers.get(name);
            let multiline = tail::config::Registries {
                multiline: registries.multiline_parsers,
                multiline_bytes_max: registries.multiline_bytes_max,
            };
            tail::config::Config::from_options(options, find, multiline)
                .map(|config| InputKind::Tail(Box::new(config)))
        }
        Input::Tcp => {
            let find = |name: &str| registries.parsers.get(name);
            tcp::config::Config::from_options(options, find).map(InputKind::Tcp)
        }
        Input::Dummy => dummy::config::Config::from_options(options).map(InputKind::Dummy),
        Input::Exec => {
            let find = |name: &str| registries.parsers.get(name);
            exec::config::Config::from_options(options, find).map(InputKind::Exec)
        }
        Input::FluentbitMetrics => {
            fluentbit_metrics::config::Config::from_options(options, registries.hostname)
                .map(InputKind::FluentbitMetrics)
        }
        Input::Http => input::http::config::Config::from_options(options).map(InputKind::Http),
    }
}

/// The output; `None` after a problem was reported.
pub(super) fn output(
    plugin: Output,
    options: &mut Options,
    context: &Context,
) -> Option<OutputKind> {
    match plugin {
        Output::Counter => Some(OutputKind::Counter),
        Output::File => file::config::Config::from_options(options)
            .map(|config| OutputKind::File(Box::new(config))),
        Output::Null => Some(OutputKind::Null),
        Output::Forward => {
            let upstream = |path: &str| context.upstreams.nodes(path);
            output::forward::config::Config::from_options(options, upstream)
                .map(|config| OutputKind::Forward(Box::new(config)))
        }
        Output::Stdout => stdout::config::Config::from_options(options).map(OutputKind::Stdout),
        Output::Http => {
            let region = context.cloudwatch_logs.region.as_deref();
            http::config::Config::from_options(options, http::config::Defaults { region })
                .map(|config| OutputKind::Http(Box::new(config)))
        }
        Output::Cloudwatch => {
            cloudwatch::config::Config::from_options(options, &context.cloudwatch_logs)
                .map(|config| OutputKind::Cloudwatch(Box::new(config)))
        }
        Output::CloudwatchLogs => {
            cloudwatch_logs::config::Config::from_options(options, &context.cloudwatch_logs)
                .map(|config| OutputKind::CloudwatchLogs(Box::new(config)))
        }
    }
}

/// The filter; `None` after a problem was reported.
pub(super) fn filter(
    plugin: Filter,
    options: &mut Options,
    registries: &Registries<'_>,
) -> Option<FilterKind> {
    match plugin {
        Filter::Aws => aws::config::Config::from_options(options).map(FilterKind::Aws),
        Filter::Checklist => {
            checklist::config::Config::from_options(options).map(FilterKind::Checklist)
        }
        Filter::ContentModifier => {
            content_modifier::config::Config::from_options(options).map(FilterKind::ContentModifier)
        }
        Filter::Ecs => ecs::config::Config::from_options(options).map(FilterKind::Ecs),
        Filter::Expect => expect::config::Config::from_options(options).map(FilterKind::Expect),
        Filter::Grep => grep::config::Config::from_options(options).map(FilterKind::Grep),
        Filter::Lua => registries.scripts.filter(options).map(FilterKind::Lua),
        Filter::Modify => modify::config::Config::from_options(options).map(FilterKind::Modify),
        Filter::Multiline => multiline::config::Config::from_options(
            options,
            registries.multiline_parsers,
            registries.multiline_bytes_max,
        )
        .map(FilterKind::Multiline),
        Filter::Nest => nest::config::Config::from_options(options).map(FilterKind::Nest),
        Filter::Parser => {
            let find = |name: &str| registries.parsers.get(name);
            parser::config::Config::from_options(options, find).map(FilterKind::Parser)
        }
        Filter::RecordModifier => {
            record_modifier::config::Config::from_options(options).map(FilterKind::RecordModifier)
        }
        Filter::RewriteTag => {
            rewrite_tag::config::Config::from_options(options).map(FilterKind::RewriteTag)
        }
        Filter::Stdout => Some(FilterKind::Stdout),
        Filter::Throttle => {
            throttle::config::Config::from_options(options).map(FilterKind::Throttle)
        }
        Filter::TypeConverter => {
            type_converter::config::Config::from_options(options).map(FilterKind::TypeConverter)
        }
    }
}
