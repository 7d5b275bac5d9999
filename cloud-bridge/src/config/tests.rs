//! Configuration texts in, what is told about them out.

use expect_test::expect;

use super::*;

fn told(text: &str) -> String {
    match CentreConfig::parse(text) {
        Ok(config) => format!("{config:#?}"),
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

#[test]
fn the_example_is_good() {
    let config = CentreConfig::parse(include_str!("../../../config/centre.toml")).unwrap();
    assert_eq!((config.listen.to_string().as_str(), config.tenant.as_str()), (LISTEN_DEFAULT, "demo"));
    assert_eq!((config.gateways.len(), config.users.len()), (1, 2));
    assert_eq!(config.example_credentials(), 3, "nobody can run with the example's credentials");
}

#[test]
fn every_problem_is_told_at_once_with_key_and_line() {
    let text = r#"
listen = "0.0.0.0:8480"
tenant = "Shen Yang"
colour = "red"
[[gateway]]
id = "Home 1"
token = "short"
[[gateway]]
id = "home-2"
token = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
[[gateway]]
id = "home-2"
token = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
[[user]]
name = "wang"
token = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
role = "boss"
[[user]]
name = "wang"
[tls]
cert = "cert.pem"
"#;
    expect![[r#"
        line 3: tenant: use 1 to 64 of a-z, 0-9 and -
        line 4: colour: is not a known key; known here: listen, data_dir, tenant, tls, gateway, user, supervision, mains
        line 6: gateway[1].id: `Home 1` is not a valid gateway id: use 1 to 64 of a-z, 0-9 and -
        line 7: gateway[1].token: must have at least 32 characters, all printable ASCII without spaces
        line 12: gateway[3].id: `home-2` is named twice
        line 16: user[1].token: is the same as gateway[2].token; each credential must be its own
        line 17: user[1].role: `boss` is not one of viewer, dispatcher, supervisor, integrator, installer, tenant-admin, auditor
        line 18: user[2].role: is required: one of viewer, dispatcher, supervisor, integrator, installer, tenant-admin, auditor
        line 18: user[2].token: is required
        line 19: user[2].name: `wang` is named twice
        line 20: tls.key: is required
    "#]].assert_eq(&told(text));
}

#[test]
fn plain_http_is_for_loopback_only() {
    expect![[r#"
        line 1: listen: 192.168.1.2:80 can be reached from other machines; plain HTTP is for loopback only: add [tls]
    "#]]
    .assert_eq(&told("listen = '192.168.1.2:80'\ntenant = 't'"));
    assert!(told("listen = '[::1]:80'\ntenant = 't'").starts_with("CentreConfig"));
    assert!(told("listen = '0.0.0.0:443'\ntenant = 't'\n[tls]\ncert = 'c'\nkey = 'k'").starts_with("CentreConfig"));
}

#[test]
fn a_secret_is_never_shown() {
    let secret = "s3cret-s3cret-s3cret-s3cret-s3cret";
    let good = format!("tenant = 't'\n[[gateway]]\nid = 'h'\ntoken = '{secret}'");
    let bad = format!("{good}\n[[gateway]]\nid = 'i'\ntoken = '{secret}'\n[[gateway]]\nid = 'j'\ntoken = '{secret} x'");
    assert!(told(&good).starts_with("CentreConfig") && !told(&good).contains("s3cret"));
    assert!(told(&bad).contains("is the same as gateway[1].token") && !told(&bad).contains("s3cret"));
}

#[test]
fn when_a_mains_loss_counts_is_configured_within_its_safe_range() {
    let mains = |text: &str| CentreConfig::parse(&format!("tenant = \"demo\"\n{text}")).map(|config| config.mains);
    assert_eq!(mains(""), Ok(MainsRules::default()));
    let rules = MainsRules { held_ms: 300_000, long_ms: 12 * 3_600_000 };
    assert_eq!(mains("[mains]\nheld_minutes = 5\nlong_hours = 12"), Ok(rules));
    expect![[r#"
        line 3: mains.held_minutes: 4 is outside 5–120; the default is 30
        line 4: mains.long_hours: 13 is outside 3–12; the default is 4
        line 5: mains.hold: is not a known key; known here: held_minutes, long_hours
    "#]]
    .assert_eq(&told("tenant = \"demo\"\n[mains]\nheld_minutes = 4\nlong_hours = 13\nhold = 1"));
}
