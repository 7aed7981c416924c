//! Around the path, config: which plugins there are, here and in Fluent Bit, and their tables.

use super::elsewhere;
use crate::option::{Fault, Table, nearest, tables};
use crate::{filter, input, output, tls};

/// Inputs of this version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Input {
    Forward,
    Tail,
    Tcp,
    Dummy,
    Exec,
    FluentbitMetrics,
    Http,
}

/// Filters of this version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Filter {
    Aws,
    Ecs,
    Checklist,
    ContentModifier,
    Expect,
    Grep,
    Lua,
    Modify,
    Nest,
    Multiline,
    Parser,
    RecordModifier,
    RewriteTag,
    Stdout,
    Throttle,
    TypeConverter,
}

/// Outputs of this version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Output {
    Counter,
    File,
    Null,
    Forward,
    Stdout,
    Http,
    Cloudwatch,
    CloudwatchLogs,
}

/// A plugin's own options and those it shares with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    pub(super) own: Table,
    pub(super) shared: &'static [Table],
}

/// What inputs share to which nobody connects.
const LOCAL_INPUT: &[Table] = &[tables::SECTION, tables::INPUT];

impl Input {
    /// Its name, in lower case.
    pub(super) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, plugin)| *plugin == self);
        found.map_or("", |(name, _)| name)
    }

    pub(super) const ALL: &[(&'static str, Self)] = &[
        ("forward", Self::Forward),
        ("tail", Self::Tail),
        ("tcp", Self::Tcp),
        ("http", Self::Http),
        ("dummy", Self::Dummy),
        ("exec", Self::Exec),
        ("fluentbit_metrics", Self::FluentbitMetrics),
    ];

    /// Inputs that only Fluent Bit has.
    pub(super) const ELSEWHERE: &[&'static str] = elsewhere::INPUTS;

    pub(super) const fn tables(self) -> Tables {
        match self {
            Self::Dummy => Tables { own: input::dummy::config::OPTIONS, shared: LOCAL_INPUT },
            Self::Exec => Tables { own: input::exec::config::OPTIONS, shared: LOCAL_INPUT },
            Self::FluentbitMetrics => {
                Tables { own: input::fluentbit_metrics::config::OPTIONS, shared: LOCAL_INPUT }
            }
            Self::Forward => Tables {
                own: input::forward::config::OPTIONS,
                shared: &[
                    input::forward::config::ADDRESS,
                    tables::SECTION,
                    tables::INPUT,
                    input::admission::OPTIONS,
                    tls::SERVER_OPTIONS,
                ],
            },
            Self::Tail => Tables { own: input::tail::config::OPTIONS, shared: LOCAL_INPUT },
            Self::Tcp => Tables {
                own: input::tcp::config::OPTIONS,
                shared: &[
                    input::tcp::config::ADDRESS,
                    tables::SECTION,
                    tables::INPUT,
                    input::admission::OPTIONS,
                    tls::SERVER_OPTIONS,
                ],
            },
            Self::Http => Tables {
                own: input::http::config::OPTIONS,
                shared: &[
                    input::http::config::ADDRESS,
                    tables::SECTION,
                    tables::INPUT,
                    input::admission::OPTIONS,
                    tls::SERVER_OPTIONS,
                ],
            },
        }
    }
}

impl Filter {
    /// Its name, in lower case.
    pub(super) fn name(self) -> &'static str {
        let found = Self::ALL.iter().chain(Self::PROCESSORS).find(|(_, plugin)| *plugin == self);
        found.map_or("", |(name, _)| name)
    }

    pub(super) const ALL: &[(&'static str, Self)] = &[
        ("aws", Self::Aws),
        ("ecs", Self::Ecs),
        ("checklist", Self::Checklist),
        ("expect", Self::Expect),
        ("grep", Self::Grep),
        ("lua", Self::Lua),
        ("modify", Self::Modify),
        ("nest", Self::Nest),
        ("multiline", Self::Multiline),
        ("parser", Self::Parser),
        ("record_modifier", Self::RecordModifier),
        ("rewrite_tag", Self::RewriteTag),
        ("stdout", Self::Stdout),
        ("throttle", Self::Throttle),
        ("type_converter", Self::TypeConverter),
    ];

    /// Processors that are no filters: they stand at an input or an output only.
    pub(super) const PROCESSORS: &[(&'static str, Self)] =
        &[("content_modifier", Self::ContentModifier)];

    /// Such processors that only Fluent Bit has.
    pub(super) const PROCESSORS_ELSEWHERE: &[&'static str] = elsewhere::PROCESSORS;

    /// Filters that only Fluent Bit has.
    pub(super) const ELSEWHERE: &[&'static str] = elsewhere::FILTERS;

    pub(super) const fn tables(self) -> Tables {
        let own = match self {
            Self::Aws => filter::aws::config::OPTIONS,
            Self::Checklist => filter::checklist::config::OPTIONS,
            Self::ContentModifier => filter::content_modifier::config::OPTIONS,
            Self::Ecs => filter::ecs::config::OPTIONS,
            Self::Expect => filter::expect::config::OPTIONS,
            Self::Grep => filter::grep::config::OPTIONS,
            Self::Lua => filter::lua::config::OPTIONS,
            Self::Multiline => filter::multiline::config::OPTIONS,
            // Its conditions are its own.
            Self::Modify => {
                let shared = &[tables::SECTION, tables::FILTER];
                return Tables { own: filter::modify::config::OPTIONS, shared };
            }
            Self::Nest => filter::nest::config::OPTIONS,
            Self::Parser => filter::parser::config::OPTIONS,
            Self::RecordModifier => filter::record_modifier::config::OPTIONS,
            Self::RewriteTag => filter::rewrite_tag::config::OPTIONS,
            Self::Stdout => filter::stdout::config::OPTIONS,
            Self::Throttle => filter::throttle::config::OPTIONS,
            Self::TypeConverter => filter::type_converter::config::OPTIONS,
        };
        Tables { own, shared: &[tables::SECTION, tables::FILTER, tables::CONDITION] }
    }
}

impl Output {
    /// Its name, in lower case.
    pub(super) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, plugin)| *plugin == self);
        found.map_or("", |(name, _)| name)
    }

    pub(super) const ALL: &[(&'static str, Self)] = &[
        ("counter", Self::Counter),
        ("file", Self::File),
        ("null", Self::Null),
        ("forward", Self::Forward),
        ("stdout", Self::Stdout),
        ("http", Self::Http),
        ("cloudwatch", Self::Cloudwatch),
        ("cloudwatch_logs", Self::CloudwatchLogs),
    ];

    /// Outputs that only Fluent Bit has, those of AWS's image included.
    pub(super) const ELSEWHERE: &[&'static str] = elsewhere::OUTPUTS;

    pub(super) const fn tables(self) -> Tables {
        match self {
            Self::Counter => Tables {
                own: output::counter::config::OPTIONS,
                shared: &[tables::SECTION, tables::OUTPUT, tables::HOST, tables::NET, tables::TLS],
            },
            Self::File => Tables {
                own: output::file::config::OPTIONS,
                shared: &[tables::SECTION, tables::OUTPUT, tables::HOST, tables::NET, tables::TLS],
            },
            Self::Null => Tables {
                own: output::null::config::OPTIONS,
                shared: &[tables::SECTION, tables::OUTPUT, tables::HOST, tables::NET, tables::TLS],
            },
            Self::Forward => Tables {
                own: output::forward::config::OPTIONS,
                shared: &[
                    output::forward::config::ADDRESS,
                    output::forward::config::NET_OPTIONS,
                    tables::NET_OUTPUT,
                    tables::SECTION,
                    tables::OUTPUT,
                    tls::CLIENT_OPTIONS,
                ],
            },
            Self::Stdout => Tables {
                own: output::stdout::config::OPTIONS,
                shared: &[tables::SECTION, tables::OUTPUT, tables::HOST, tables::NET, tables::TLS],
            },
            Self::Http => Tables {
                own: output::http::config::OPTIONS,
                shared: &[
                    output::http::config::ADDRESS,
                    output::http::config::NET,
                    tables::NET_OUTPUT,
                    tables::SECTION,
                    tables::OUTPUT,
                    tls::CLIENT_OPTIONS,
                ],
            },
            Self::Cloudwatch => Tables {
                own: output::cloudwatch::config::OPTIONS,
                shared: &[
                    output::cloudwatch_logs::config::ADDRESS,
                    tables::SECTION,
                    tables::OUTPUT,
                    tables::HOST,
                    tables::NET,
                    tables::TLS,
                ],
            },
            Self::CloudwatchLogs => Tables {
                own: output::cloudwatch_logs::config::OPTIONS,
                shared: &[
                    output::cloudwatch_logs::config::ADDRESS,
                    tables::SECTION,
                    tables::OUTPUT,
                    tables::HOST,
                    tables::NET,
                    tables::TLS,
                ],
            },
        }
    }
}

/// The plugin of that name, in any case.
pub(super) fn find<T: Copy>(
    name: &str,
    here: &[(&'static str, T)],
    elsewhere: &[&'static str],
) -> Result<T, Fault> {
    if let Some((_, plugin)) = here.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Ok(*plugin);
    }
    let name = name.to_owned();
    if elsewhere.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        return Err(Fault::UnsupportedPlugin { name });
    }
    let known = here.iter().map(|(known, _)| *known).chain(elsewhere.iter().copied());
    let nearest = nearest::nearest(&name, known);
    Err(Fault::UnknownPlugin { name, nearest })
}

/// The names of all plugins of this version, by what they are.
#[must_use]
pub fn plugin_names() -> [(&'static str, Vec<&'static str>); 3] {
    [
        ("inputs", Input::ALL.iter().map(|(name, _)| *name).collect()),
        ("filters", Filter::ALL.iter().map(|(name, _)| *name).collect()),
        ("outputs", Output::ALL.iter().map(|(name, _)| *name).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::first_bad_row;

    #[test]
    fn no_plugin_has_an_option_twice() {
        let all = Input::ALL.iter().map(|(name, plugin)| (*name, plugin.tables()));
        let filters = Filter::ALL.iter().chain(Filter::PROCESSORS);
        let all = all.chain(filters.map(|(name, plugin)| (*name, plugin.tables())));
        let all = all.chain(Output::ALL.iter().map(|(name, plugin)| (*name, plugin.tables())));
        for (name, Tables { own, shared }) in all {
            assert_eq!(first_bad_row(&[&[own], shared].concat()), None, "{name}");
        }
    }

    #[test]
    fn a_plugin_is_here_or_elsewhere_or_unknown() {
        let output = |name| find(name, Output::ALL, Output::ELSEWHERE);
        assert_eq!(output("CloudWatch_Logs").ok(), Some(Output::CloudwatchLogs));
        let fault = output("S3").unwrap_err().to_string();
        assert_eq!(fault, "plugin 'S3' is not supported by this version of Firelane");
        let fault = output("cloudwatch_log").unwrap_err().to_string();
        assert_eq!(fault, "unknown plugin 'cloudwatch_log', did you mean 'cloudwatch_logs'?");
        assert_eq!(output("zzz").unwrap_err().to_string(), "unknown plugin 'zzz'");
    }

    #[test]
    fn no_plugin_is_both_here_and_elsewhere() {
        assert!(Input::ALL.iter().all(|(name, _)| !Input::ELSEWHERE.contains(name)));
        assert!(Filter::ALL.iter().all(|(name, _)| !Filter::ELSEWHERE.contains(name)));
        assert!(Output::ALL.iter().all(|(name, _)| !Output::ELSEWHERE.contains(name)));
    }
}
