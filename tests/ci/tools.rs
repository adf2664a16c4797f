//! The tools that CI needs, each at one version, fetched once into `target/tools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the tools are.
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    pub(crate) fn below(root: &Path) -> Tools {
        Tools { folder: root.join("target/tools") }
    }

    /// A cargo subcommand from crates.io, built fast rather than to be fast: cargo-deny in 90 s on two cores.
    pub(crate) fn cargo_tool(&self, name: &str, version: &str) -> Result<PathBuf, String> {
        let build = self.folder.join("build");
        self.fetched(name, version, &format!("bin/{name}"), || {
            let mut install = Command::new("cargo");
            install.args(["install", "--quiet", "--locked", "--force", "--root"]).arg(&self.folder);
            install.arg(format!("{name}@{version}")).env("CARGO_TARGET_DIR", &build);
            install.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
            run(install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"))?;
            fs::remove_dir_all(&build).map_err(|cause| format!("cannot clear `{}`: {cause}", build.display()))
        })
    }

    /// The spelling checker, from PyPI, where it comes compiled.
    pub(crate) fn typos(&self, version: &str) -> Result<PathBuf, String> {
        self.fetched("typos", version, "typos/bin/typos", || {
            run(pip(&self.folder.join("typos"))?.arg(format!("typos=={version}")))
        })
    }

    /// The folder of Python modules with schemathesis in it, each at the version that the list in `manifest` says.
    pub(crate) fn schemathesis(&self, manifest: &Path) -> Result<PathBuf, String> {
        let list = fs::read_to_string(manifest)
            .map_err(|cause| format!("cannot read `{}`: {cause}", manifest.display()))?;
        let folder = self.folder.join("schemathesis");
        self.fetched("schemathesis", &list, "schemathesis/schemathesis/cli/__main__.py", || {
            run(pip(&folder)?.args(["--no-deps", "--requirement"]).arg(manifest))
        })?;
        Ok(folder)
    }

    /// The OpenAPI linter, from npm, exactly as the lock file in `manifest` says; no package may run a script.
    pub(crate) fn spectral(&self, manifest: &Path) -> Result<PathBuf, String> {
        let npm = self.folder.join("npm");
        let lock = fs::read_to_string(manifest.join("package-lock.json"))
            .map_err(|cause| format!("cannot read the lock file of npm: {cause}"))?;
        self.fetched("npm", &lock, "npm/node_modules/.bin/spectral", || {
            apt(on_path("npm"), "npm")?;
            let copied = fs::create_dir_all(&npm)
                .and_then(|()| fs::copy(manifest.join("package.json"), npm.join("package.json")))
                .and_then(|_| fs::write(npm.join("package-lock.json"), &lock));
            copied.map_err(|cause| format!("cannot write `{}`: {cause}", npm.display()))?;
            let args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
            run(Command::new("npm").args(args).current_dir(&npm))
        })
    }

    /// The program at `path`, fetched unless a stamp says that this very version is there.
    fn fetched(
        &self,
        name: &str,
        version: &str,
        path: &str,
        fetch: impl FnOnce() -> Result<(), String>,
    ) -> Result<PathBuf, String> {
        let program = self.folder.join(path);
        let stamp = self.folder.join(format!("{name}.version"));
        if program.exists() && fs::read_to_string(&stamp).is_ok_and(|it| it == version) {
            return Ok(program);
        }
        fs::create_dir_all(&self.folder)
            .map_err(|cause| format!("cannot make `{}`: {cause}", self.folder.display()))?;
        fetch()?;
        if !program.exists() {
            return Err(format!("`{}` is not there after fetching {name}", program.display()));
        }
        fs::write(&stamp, version).map_err(|cause| format!("cannot write `{}`: {cause}", stamp.display()))?;
        Ok(program)
    }
}

/// pip, about to install into a folder of its own.
fn pip(folder: &Path) -> Result<Command, String> {
    let pip_is_there = output(Command::new("python3").args(["-m", "pip", "--version"])).is_ok();
    apt(pip_is_there, "python3-pip")?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--root-user-action=ignore", "--upgrade", "--target"]).arg(folder);
    Ok(pip)
}

/// Installs a Debian package that is missing; where that takes rights we lack, says so.
fn apt(is_there: bool, package: &str) -> Result<(), String> {
    if is_there {
        return Ok(());
    }
    let get =
        |args: &[&str]| run(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive"));
    get(&["update", "--quiet"])
        .and_then(|()| get(&["install", "--yes", "--no-install-recommends", package]))
        .map_err(|why| format!("`{package}` is missing; as root: apt-get install {package} ({why})"))
}

/// Whether a program of that name can be found.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a command with our own output; its failure is told with what was run.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|cause| format!("cannot run {}: {cause}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command))) }
}

/// Runs a command for what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|cause| format!("cannot run {}: {cause}", shown(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{} failed: {}", shown(command), String::from_utf8_lossy(&output.stderr)))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    format!("`{}`", words.map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(" "))
}
