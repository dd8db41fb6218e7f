//! Servers that this tool starts: with a port and a folder of their own, and gone with their files afterwards.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Endpoint;
use super::control::Control;
use super::wire::Wire;
use crate::interrupt;

/// Longest wait for a started server to answer.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest wait for a server to stop by itself before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the two are looked at.
const POLL: Duration = Duration::from_millis(20);

/// How much of a failed server's log an error quotes.
const QUOTED_LOG_BYTES: usize = 2000;

/// What to start.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerCommand {
    /// The name in reports.
    pub name: String,
    /// What it speaks.
    pub wire: Wire,
    /// Program and arguments. `{port}`, `{dir}`, `{threads}`, `{maxmemory}` and `{tier_capacity}` (bytes),
    /// `{maxmemory_mb}` and `{tier_capacity_mb}` are filled in.
    pub template: String,
    /// Replaces `{maxmemory}`, in bytes.
    pub maxmemory_bytes: u64,
    /// Replaces `{tier_capacity}`, in bytes.
    pub tier_capacity_bytes: u64,
    /// Replaces `{threads}`.
    pub threads: usize,
    /// The CPUs to run on, as taskset takes them; all if `None`.
    pub cpus: Option<String>,
}

/// A server that runs until this value is dropped.
#[derive(Debug)]
pub struct ServerProcess {
    /// The name in reports.
    pub name: String,
    /// Where it answers.
    pub endpoint: Endpoint,
    /// The command as it was started.
    pub command_line: String,
    /// Its folder; removed with everything in it.
    pub dir: PathBuf,
    child: Child,
}

impl ServerProcess {
    /// Starts a server on a free port, in a new folder below `work`, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it cannot be started, exits, or does not answer within a minute; the error quotes its log.
    pub fn start(command: &ServerCommand, work: &Path) -> Result<Self> {
        let port = free_port()?;
        let dir = new_folder(work, &command.name)?;
        let words = fill_in(command, port, &dir)?;
        let log = File::create(dir.join("server.log"))?;
        let child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C on the terminal is for this tool, which then stops the server in order.
            .process_group(0)
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(e) => {
                remove(&dir);
                bail!("cannot start {}: {e}", words.join(" "));
            }
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let endpoint = Endpoint { wire: command.wire, address };
        let mut server =
            Self { name: command.name.clone(), endpoint, command_line: words.join(" "), dir, child };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once ({status}): {}\n{}", self.name, self.command_line, self.log_end());
            }
            let answer = Control::connect(&self.endpoint).and_then(|mut control| control.identify());
            match answer {
                Ok(_) => return Ok(()),
                Err(_) if interrupt::is_requested() => bail!("interrupted"),
                Err(e) if Instant::now() > deadline => {
                    return Err(e).context(format!(
                        "{} does not answer: {}\n{}",
                        self.name,
                        self.command_line,
                        self.log_end()
                    ));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    fn log_end(&self) -> String {
        let log = fs::read(self.dir.join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(QUOTED_LOG_BYTES)..]).into_owned()
    }

    fn stop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32)
            && matches!(self.child.try_wait(), Ok(None))
        {
            // The child was not waited for, so the id is still its own.
            let _ = kill_process(pid, Signal::TERM);
            let deadline = Instant::now() + STOP_TIMEOUT;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(POLL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.stop();
        remove(&self.dir);
    }
}

/// The words of the command, its places filled in. A program given by a relative path is found from here.
fn fill_in(command: &ServerCommand, port: u16, dir: &Path) -> Result<Vec<String>> {
    let dir = dir.to_str().context("the folder's name is no UTF-8")?;
    let mut words = shlex::split(&command.template).context("the server command has an open quote")?;
    for word in &mut words {
        *word = word
            .replace("{port}", &port.to_string())
            .replace("{dir}", dir)
            .replace("{threads}", &command.threads.to_string())
            .replace("{maxmemory}", &command.maxmemory_bytes.to_string())
            .replace("{maxmemory_mb}", &(command.maxmemory_bytes >> 20).to_string())
            .replace("{tier_capacity}", &command.tier_capacity_bytes.to_string())
            .replace("{tier_capacity_mb}", &(command.tier_capacity_bytes >> 20).to_string());
    }
    if words.is_empty() {
        bail!("the server command is empty");
    }
    if let Some(cpus) = &command.cpus {
        words.splice(0..0, ["taskset", "-c", cpus].map(str::to_owned));
    }
    Ok(words)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// A folder below `work` that did not exist before.
fn new_folder(work: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(work).with_context(|| format!("cannot create {}", work.display()))?;
    let work = work.canonicalize()?;
    let slug: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    for number in 0.. {
        let dir = work.join(format!("{slug}-{}-{number}", std::process::id()));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e).with_context(|| format!("cannot create {}", dir.display())),
        }
    }
    unreachable!("some number is free")
}

fn remove(dir: &Path) {
    if let Err(e) = fs::remove_dir_all(dir) {
        eprintln!("cannot remove {}: {e}", dir.display());
    }
}
