//! Opened files: every way to open one is seen, as the file it was and not as the path that was said.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use holdfire_tests::client::{curl, url};
use holdfire_tests::holdfire::Holdfire;
use holdfire_tests::host::{Need, limit, patience, runs};
use holdfire_tests::process::Running;
use holdfire_tests::{linger, needs};
use monitor::demo::Scene;
use serde_json::Value;

/// The opens of the file with this inode by a session that runs `script` in the scene's repository.
#[track_caller]
fn opens(scene: &Scene, script: &str) -> (Vec<Value>, Holdfire) {
    let holdfire = Holdfire::new();
    let inode = fs::metadata(scene.repository().join("scripts/domains/.env.legacy")).unwrap().ino();
    let mut session = holdfire.run(&["--mode", "observe"], ["sh", "-c", script]);
    Running::start(session.current_dir(scene.repository())).finish(limit()).expect_code(0);
    let mut opens = holdfire.events("file_opened");
    opens.retain(|open| open["ino"].as_u64() == Some(inode));
    (opens, holdfire)
}

#[test]
fn a_file_is_seen_under_every_name() {
    needs!(Need::Monitor, Need::Program("zstd"));
    let scene = Scene::set().unwrap();
    let file = scene.repository().join("scripts/domains/.env.legacy");
    symlink(&file, scene.repository().join("symbolic")).unwrap();
    fs::hard_link(&file, scene.repository().join("hard")).unwrap();
    let walked = fs::canonicalize(&file).unwrap();
    let walked = walked.to_str().unwrap();
    let hard = walked.replace("scripts/domains/.env.legacy", "hard");
    for (script, path) in [
        ("cat scripts/domains/.env.legacy", walked),
        ("cd scripts && cat ../scripts/./domains/.env.legacy", walked),
        ("cat symbolic", walked),
        ("cat hard", &hard),
        ("read line < scripts/domains/.env.legacy", walked),
        ("grep -rn TOKEN scripts", walked),
    ] {
        let (opens, _) = opens(&scene, script);
        let paths: Vec<_> = opens.iter().map(|open| open["path"].as_str().unwrap()).collect();
        assert!(paths.contains(&path), "{script}: {paths:?}");
        assert!(opens.iter().all(|open| open["access"] == "read"), "{script}: {opens:?}");
    }
}

#[test]
fn the_values_in_a_file_become_fingerprints() {
    needs!(Need::Monitor, Need::Program("zstd"));
    let scene = Scene::set().unwrap();
    let (opens, holdfire) = opens(&scene, "cat scripts/domains/.env.legacy");
    assert_eq!(opens.len(), 1);
    let seen = holdfire.events("credentials_seen");
    let file = seen.iter().find(|event| event["place"]["opened"] == opens[0]["seq"]);
    let sightings = file.unwrap_or_else(|| panic!("{seen:?}"))["sightings"].as_array().unwrap().clone();
    assert!(sightings.iter().any(|sighting| sighting["name"] == "RAILWAY_TOKEN"), "{sightings:?}");
    let capture = holdfire.lines().join("\n");
    assert!(!capture.contains(scene.token()), "the token itself is in the capture");
}

/// One process reads the token and sends it, with nothing in between.
#[test]
fn read_and_sent_at_once_is_denied() {
    needs!(Need::Monitor, Need::Program("curl"));
    let scene = Scene::set().unwrap();
    let id = &scene.server.volumes()[0].id;
    let header = format!("Authorization: Bearer {}\n", scene.token());
    fs::write(scene.repository().join("headers"), header).unwrap();
    let url = url(&scene, &format!("/v1/volumes/{id}"));
    for _ in 0..runs().min(50) {
        let holdfire = Holdfire::new();
        let words = curl(&scene, patience(), &["-X", "DELETE", "-H", "@headers", &url]);
        let mut session = holdfire.run(&["--mode", "enforce"], words);
        Running::start(session.current_dir(scene.repository())).finish(limit());
    }
    linger(patience());
    let connections = scene.server.connections();
    assert_eq!(connections.iter().filter(|connection| connection.established).count(), runs().min(50));
    assert_eq!(connections.iter().map(|connection| connection.bytes).sum::<u64>(), 0);
}
