//! Around the path, cli: the text that `--help` prints.

/// What `--help` prints.
pub const USAGE: &str = "\
firelane: a log router for Amazon ECS

  firelane [-c FILE] [-i INPUT …] [-F FILTER …] [-o OUTPUT …]
                                route logs by the configuration FILE, by the plugins that are
                                named, by both, or without either
  firelane check [FILE]         say what is wrong with a configuration or a task definition,
                                what it does, and where each value comes from
  firelane demo                 a router, a sender and a local CloudWatch Logs, to look at
  firelane healthcheck          ask a running router, exit 0 if it is healthy
  firelane local                a local CloudWatch Logs and task metadata endpoint

Options of `firelane`:
  -c, --config FILE             configuration of Fluent Bit, YAML if it ends in .yaml or .yml
  -i, --input NAME              an input
  -F, --filter NAME             a filter
  -o, --output NAME             an output
  -p, --prop KEY=VALUE          an option of the last of them
  -t, --tag TAG                 the tag of the last input
  -m, --match PATTERN           the tags of the last filter or output
  -R, --parser FILE             parsers file, may be given again
  -T, --sp-task SQL             a stream task, may be given again
  -f, --flush SECONDS           time after which records are sent at the latest [1]
  -b, --storage_path DIR        folder for records that wait on disk
  -l, --log_file FILE           file to log to
  -v, --verbose                 log more, may be given again
  -q, --quiet                   log nothing
  -H, --http_server             answer about health and metrics over HTTP
  -L, --http_listen ADDR        address of the HTTP server [0.0.0.0]
  -P, --http_port PORT          port of the HTTP server [2020]
  -w, --workdir DIR             folder to work in
  -D, --dry-run                 read the configuration, say that it is right, and end
  -V, --version                 print the version
  -h, --help                    print this; after -i, -F or -o the options of that plugin
  -J, --help-json               print the options of all plugins, or of that one, as JSON

What the file says of the process comes before these. Accepted without effect: -e, -d, -s, -C, -S, -Y,
-Z, -W and their long forms, --supervisor, --enable-fips, --trace.

Options of `firelane check`:
      --format text|json        how to print the result [text]; --json is the same as --format json
      --tag TAG                 say the way of this tag too, may be given again
      --strict                  exit 1 where there are warnings
  and for a task definition in JSON:
      --external [PATH=]FILE    FILE stands for the file PATH of the router's container, or for its
                                external configuration, may be given again
      --launch-type TYPE        EC2, FARGATE, EXTERNAL or MANAGED_INSTANCES, if it leaves that open
      --print-config            print the configuration that the ECS agent makes of it, and no more
  It exits 0 where nothing keeps it from working, else 64. Without FILE it says what holds without.

Options of `firelane demo`:
      --rate N                  events a second [10]
      --seconds N               end after so many seconds

Options of `firelane healthcheck`:
      --port N                  port on this host [2020]

Options of `firelane local`:
      --cloudwatch-logs ADDR    address and port [127.0.0.1:4580]
      --task-metadata ADDR      answer as the task metadata endpoint too
      --tls                     answer over TLS, with a certificate made at start
      --tls-name NAME           name in that certificate, may be given again
      --ca-file FILE            where to write the authority to trust
      --any-age                 accept events of any age
      --keep-bytes N            bytes of events to keep [268435456]
      --sequence                check the order of messages with ` id=NAME seq=NUMBER`
      --account-file FILE       where to write what was received at the end
";
