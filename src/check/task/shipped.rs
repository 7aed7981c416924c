//! Around the path, check: the files of Firelane's image that configurations name.
//!
//! The Dockerfile puts them there. Not known here: what is in them.

/// A file by its path in the image.
pub(super) type Shipped = (&'static str, &'static [u8]);

/// The files of a folder of the image, from one of `packaging`.
macro_rules! folder {
    ($image:literal, $here:literal, [$($name:literal),+ $(,)?]) => {
        [$((
            concat!($image, $name),
            include_bytes!(concat!("../../../packaging/", $here, $name)) as &[u8],
        )),+]
    };
}

const CONFIGS: [Shipped; 6] = folder!(
    "/fluent-bit/configs/",
    "configs/",
    [
        "minimize-log-loss.conf",
        "output-metrics-healthcheck.conf",
        "parse-json.conf",
        "plugin-and-storage-metrics-to-cloudwatch.conf",
        "plugin-metrics-parser.conf",
        "plugin-metrics-to-cloudwatch.conf",
    ]
);

const ECS: [Shipped; 9] = folder!(
    "/ecs/",
    "ecs/",
    [
        "amazon-es.conf",
        "cloudwatch.conf",
        "ecs-metadata.conf",
        "filter-parser.conf",
        "firehose.conf",
        "input-forward.conf",
        "kinesis.conf",
        "s3.conf",
        "service.conf",
    ]
);

const PARSERS: [Shipped; 9] = folder!(
    "/fluent-bit/parsers/",
    "parsers/",
    [
        "parsers.conf",
        "parsers_ambassador.conf",
        "parsers_cinder.conf",
        "parsers_extra.conf",
        "parsers_java.conf",
        "parsers_kafka.conf",
        "parsers_mult.conf",
        "parsers_multiline.conf",
        "parsers_openstack.conf",
    ]
);

/// Every file. Parsers are in a second folder as well.
pub(super) fn files() -> impl Iterator<Item = (String, &'static [u8])> {
    let all = CONFIGS.iter().chain(&ECS).chain(&PARSERS);
    let all = all.map(|(path, bytes)| ((*path).to_owned(), *bytes));
    let again = PARSERS.iter().map(|(path, bytes)| (path.replace("/parsers/", "/etc/"), *bytes));
    all.chain(again)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_is_packaged_is_known() {
        let packaging = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/");
        for (here, image) in [
            ("configs", "/fluent-bit/configs/"),
            ("ecs", "/ecs/"),
            ("parsers", "/fluent-bit/parsers/"),
            ("parsers", "/fluent-bit/etc/"),
        ] {
            for file in std::fs::read_dir(format!("{packaging}{here}")).unwrap().flatten() {
                let path = format!("{image}{}", file.file_name().to_str().unwrap());
                assert!(files().any(|(known, _)| known == path), "{path} is not listed");
            }
        }
    }
}
