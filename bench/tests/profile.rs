//! What is compiled with a profile (`scripts/rustc.sh`), with a compiler that only tells what it is asked.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

const COMPILER: &str = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'rustc 9.8.7 (of no day)' || echo \"$@\"\n";
const BUILT: [&str; 4] = ["--crate-name", "api", "--emit=dep-info,metadata,link", "-C"];

/// A project of this name, with a profile that fits the crate `api-1`.
fn project(name: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for folder in ["scripts", "bench/profile"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/rustc.sh");
    fs::copy(script, root.join("scripts/rustc.sh"))?;
    fs::write(root.join("bench/profile/9.8.7.crates"), "api-1\nstorage-2\n")?;
    fs::write(root.join("bench/profile/9.8.7.profdata"), "")?;
    let compiler = root.join("rustc");
    fs::write(&compiler, COMPILER)?;
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755))?;
    Ok(root)
}

/// What the compiler is asked for a crate in `folder`, beyond `arguments`, and what is said meanwhile.
fn asked(root: &Path, folder: &str, arguments: &[&str], into: Option<&Path>) -> Result<(String, String)> {
    let mut command = Command::new("sh");
    command
        .arg(root.join("scripts/rustc.sh"))
        .arg(root.join("rustc"))
        .args(arguments)
        .env("CARGO_MANIFEST_DIR", root.join(folder))
        .env_remove("LAPIDARY_PROFILE_INTO");
    if let Some(into) = into {
        command.env("LAPIDARY_PROFILE_INTO", into);
    }
    let output = command.output()?;
    ensure!(output.status.success(), "{output:?}");
    let asked = String::from_utf8(output.stdout)?;
    let more = asked
        .trim()
        .strip_prefix(&arguments.join(" "))
        .context("other arguments")?;
    Ok((more.trim().to_owned(), String::from_utf8(output.stderr)?))
}

fn built<'a>(last: &[&'a str]) -> Vec<&'a str> {
    [&BUILT[..], last].concat()
}

#[test]
fn a_crate_that_the_profile_fits_is_compiled_with_it() -> Result<()> {
    let root = project("fits")?;
    let (more, said) = asked(&root, "api", &built(&["extra-filename=-1"]), None)?;
    let profile = root.join("bench/profile/9.8.7.profdata");
    ensure!(
        more.starts_with(&format!("-Cprofile-use={} ", profile.display())),
        "{more}"
    );
    ensure!(said.is_empty(), "{said}");
    Ok(())
}

#[test]
fn one_whose_dependencies_are_others_is_compiled_without_and_that_is_said() -> Result<()> {
    let root = project("other")?;
    let (more, said) = asked(&root, "api", &built(&["extra-filename=-12"]), None)?;
    ensure!(more.is_empty(), "{more}");
    ensure!(
        said.contains("other dependencies") && said.contains("api-12") && said.contains("`make profile`"),
        "{said}"
    );
    Ok(())
}

#[test]
fn nothing_else_is_compiled_with_it_and_nothing_is_said() -> Result<()> {
    let root = project("else")?;
    let unknown = [
        "--crate-name",
        "trainer",
        "--emit=link",
        "-C",
        "extra-filename=-1",
    ];
    let checked = [
        "--crate-name",
        "api",
        "--emit=dep-info,metadata",
        "-C",
        "extra-filename=-1",
    ];
    for (folder, arguments) in [
        ("api", built(&["extra-filename=-1", "-C", "incremental=there"])),
        ("api", built(&["extra-filename=-1", "--test"])),
        ("api", checked.to_vec()),
        ("trainer", unknown.to_vec()),
        ("/elsewhere", built(&["extra-filename=-1"])),
    ] {
        let told = asked(&root, folder, &arguments, None)?;
        ensure!(
            told == (String::new(), String::new()),
            "{told:?} of {arguments:?} in {folder}"
        );
    }
    // Of another compiler there is no profile.
    fs::write(root.join("rustc"), COMPILER.replace("9.8.7", "9.8.8"))?;
    let told = asked(&root, "api", &built(&["extra-filename=-12"]), None)?;
    ensure!(told == (String::new(), String::new()), "{told:?}");
    Ok(())
}

#[test]
fn a_crate_whose_profile_is_made_is_named() -> Result<()> {
    let root = project("made")?;
    let into = root.join("counts");
    let crates = root.join("counts.crates");
    fs::write(&crates, "")?;
    let (more, said) = asked(&root, "api", &built(&["extra-filename=-12"]), Some(&into))?;
    ensure!(
        more == format!("-Cprofile-generate={}", into.display()) && said.is_empty(),
        "{more}: {said}"
    );
    ensure!(fs::read_to_string(crates)? == "api-12\n");
    Ok(())
}
