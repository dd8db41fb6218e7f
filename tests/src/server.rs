//! Servers as processes: started on a free port in a directory of their own, stopped and cleared away on drop.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use thermocline_protocol::Reply;

use crate::Connection;
use crate::waiting::wait_for;

/// How long a server may take to answer its first `PING`.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take to exit when it was asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How often to try another port when the one that was free is taken meanwhile.
const START_ATTEMPTS: u32 = 5;
/// How much of a server's log is shown when a test fails.
const LOG_LINES: usize = 30;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Ours.
    Thermocline,
    /// The reference.
    Redis,
}

impl Product {
    /// The server under test: ours, unless `THERMOCLINE_SUBJECT` says `redis`.
    pub fn subject() -> Self {
        match std::env::var("THERMOCLINE_SUBJECT").as_deref() {
            Err(_) | Ok("" | "thermocline") => Product::Thermocline,
            Ok("redis") => Product::Redis,
            Ok(other) => panic!("THERMOCLINE_SUBJECT is {other:?}: neither thermocline nor redis"),
        }
    }

    fn executable(self) -> PathBuf {
        match self {
            Product::Thermocline => thermocline_binary().to_owned(),
            Product::Redis => PathBuf::from("redis-server"),
        }
    }

    fn default_options(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Product::Thermocline => &[("tier-capacity", "1gb")],
            Product::Redis => &[("save", ""), ("enable-debug-command", "yes")],
        }
    }
}

/// What to start.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    product: Product,
    options: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl ServerOptions {
    /// `product` with what every test wants of it.
    pub fn new(product: Product) -> Self {
        Self { product, options: Vec::new(), arguments: Vec::new() }.with_all(product.default_options())
    }

    /// The server under test, see [`Product::subject`].
    pub fn subject() -> Self {
        Self::new(Product::subject())
    }

    /// Ours.
    pub fn thermocline() -> Self {
        Self::new(Product::Thermocline)
    }

    /// The same with `--name value`, in place of an earlier value of that name.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.options.retain(|(existing, _)| existing != name);
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    fn with_all(self, options: &[(&str, &str)]) -> Self {
        options.iter().fold(self, |all, (name, value)| all.with(name, value))
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it does not, with its log.
    pub fn start(&self) -> Server {
        self.start_in(ServerDirectory::new())
    }

    /// As [`start`](Self::start), with `arguments` added: a configuration file's path, or more options.
    pub fn start_with(&self, arguments: &[&str]) -> Server {
        let mut options = self.clone();
        options.arguments.extend(arguments.iter().map(|argument| argument.to_string()));
        options.start()
    }

    /// As [`start`](Self::start), in the directory that another server left.
    pub fn start_in(&self, directory: ServerDirectory) -> Server {
        let mut directory = Some(directory);
        for _ in 0..START_ATTEMPTS {
            let port = free_port();
            let child = self.spawn(directory.as_ref().expect("kept"), port);
            let mut server = Server {
                product: self.product,
                child,
                port,
                directory: directory.take(),
                options: self.clone(),
            };
            if server.wait_until_it_answers() {
                return server;
            }
            let log = server.log();
            assert!(
                log.contains("in use") || log.contains("EADDRINUSE"),
                "{:?} ended while it started:\n{log}",
                self.product
            );
            directory = server.directory.take();
        }
        panic!("no free port in {START_ATTEMPTS} attempts");
    }

    /// Runs it with `arguments` added, expecting it to end by itself; its status and everything it printed.
    ///
    /// # Panics
    ///
    /// If it is still running after a while.
    pub fn run_to_end(&self, arguments: &[&str]) -> (ExitStatus, String) {
        let mut options = self.clone();
        options.arguments.extend(arguments.iter().map(|argument| argument.to_string()));
        let directory = ServerDirectory::new();
        let mut child = options.spawn(&directory, free_port());
        let status = wait_for_exit(&mut child).unwrap_or_else(|| {
            let _ = child.kill();
            panic!("still running with {arguments:?}:\n{}", directory.log())
        });
        (status, directory.log())
    }

    /// Runs it with nothing but `arguments`.
    pub fn run_bare(&self, arguments: &[&str]) -> (ExitStatus, String) {
        let output = Command::new(self.product.executable()).args(arguments).output().expect("it starts");
        let printed = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&printed).into_owned())
    }

    fn spawn(&self, directory: &ServerDirectory, port: u16) -> Child {
        let log = File::create(directory.log_path()).expect("the test's directory is writable");
        let mut command = Command::new(self.product.executable());
        // A configuration file comes first, and options override it.
        let (file, more) = match self.arguments.split_first() {
            Some((first, rest)) if !first.starts_with("--") => (Some(first), rest),
            _ => (None, &self.arguments[..]),
        };
        command.args(file);
        command.arg("--port").arg(port.to_string());
        command.args(["--bind", "127.0.0.1", "--dir"]).arg(&directory.path);
        for (name, value) in &self.options {
            command.arg(format!("--{name}")).arg(value);
        }
        command
            .args(more)
            .current_dir(&directory.path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.product.executable().display()))
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    product: Product,
    child: Child,
    port: u16,
    /// `None` once it was handed on.
    directory: Option<ServerDirectory>,
    options: ServerOptions,
}

impl Server {
    /// Which server it is.
    pub fn product(&self) -> Product {
        self.product
    }

    /// Whether it is ours, with tiers and `TIER` commands.
    pub fn is_thermocline(&self) -> bool {
        self.product == Product::Thermocline
    }

    /// The port it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory.as_ref().expect("not handed on").path
    }

    /// A new connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.port).expect("the server accepts connections")
    }

    /// Everything it has printed.
    pub fn log(&self) -> String {
        self.directory.as_ref().map(ServerDirectory::log).unwrap_or_default()
    }

    /// A figure of `/proc/<pid>/status`, such as `VmRSS` or `VmHWM`, in bytes.
    pub fn memory_bytes(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("the server is running");
        let line = status.lines().find(|line| line.starts_with(field)).expect("a field of /proc/pid/status");
        let kilobytes = line.split_whitespace().nth(1).expect("a number");
        kilobytes.parse::<u64>().expect("a number") * 1024
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server is running");
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// If it does not in time.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        wait_for_exit(&mut self.child).unwrap_or_else(|| panic!("still running:\n{}", self.log()))
    }

    /// Stops it with SIGTERM and starts it again in the same directory.
    pub fn restart(mut self) -> Server {
        self.signal(Signal::TERM);
        let status = self.wait_for_exit();
        assert!(status.success(), "SIGTERM ended it with {status}:\n{}", self.log());
        let directory = self.directory.take().expect("not handed on");
        let options = self.options.clone();
        drop(self);
        options.start_in(directory)
    }

    /// False if it ended instead.
    fn wait_until_it_answers(&mut self) -> bool {
        wait_for("a server to answer PING", START_TIMEOUT, || {
            if self.child.try_wait().expect("a child of ours").is_some() {
                return Some(false);
            }
            let mut connection = Connection::open(self.port).ok()?;
            connection.try_send_raw(b"PING\r\n").ok()?;
            let reply = connection.try_receive_raw().ok()??;
            // With requirepass it answers NOAUTH, which will do.
            match Reply::decode(&reply).expect("a reply").expect("a whole reply").0 {
                Reply::Error(text) if text.starts_with(b"LOADING") => None,
                _ => Some(true),
            }
        })
    }
}

impl Drop for Server {
    /// # Panics
    ///
    /// If ours logged an error: no test is meant to provoke one, so it is a failure that replies did not show.
    fn drop(&mut self) {
        // It may have ended already; there is nothing to do about any other error.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        if std::thread::panicking() {
            let tail = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            eprintln!("--- the end of {:?}'s log ---\n{tail}\n---", self.product);
            return;
        }
        let errors: Vec<&str> = lines
            .into_iter()
            .filter(|line| line.contains(" ERROR ") || line.contains("panicked at"))
            .collect();
        assert!(
            self.product == Product::Redis || errors.is_empty(),
            "the server logged {} errors, the first ones:\n{}",
            errors.len(),
            errors[..errors.len().min(LOG_LINES)].join("\n")
        );
    }
}

/// A directory of one server, removed on drop.
#[derive(Debug)]
pub struct ServerDirectory {
    path: PathBuf,
}

impl ServerDirectory {
    /// A new one under `target`: a real disk, where direct I/O works, unlike many a `/tmp`.
    pub fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let path = profile_directory().join("../test-servers").join(name);
        // Left over from a run that was killed and whose process id came around again.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the target directory is writable");
        Self { path: path.canonicalize().expect("just created") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn log_path(&self) -> PathBuf {
        self.path.join("server.log")
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }
}

impl Default for ServerDirectory {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ServerDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn wait_for_exit(child: &mut Child) -> Option<ExitStatus> {
    let start = std::time::Instant::now();
    while start.elapsed() < STOP_TIMEOUT {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// A port that was free a moment ago. Another process may take it first: see [`ServerOptions::start_in`].
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// `target/<profile>`: the test executable is in its `deps`.
fn profile_directory() -> PathBuf {
    let executable = std::env::current_exe().expect("the test executable has a path");
    let deps = executable.parent().expect("it is in a directory");
    if deps.ends_with("deps") {
        deps.parent().expect("deps is in a profile").to_owned()
    } else {
        deps.to_owned()
    }
}

/// Our server's executable: built with the tests' profile, once per test executable. Cargo has let go of its lock by
/// the time tests run.
fn thermocline_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("THERMOCLINE_BINARY") {
            return PathBuf::from(path);
        }
        let directory = profile_directory();
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        build.args(["build", "--quiet", "--package", "thermocline-server", "--bin", "thermocline"]);
        if directory.ends_with("release") {
            build.arg("--release");
        }
        build.arg("--target-dir").arg(directory.parent().expect("a profile is in the target directory"));
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
        assert!(status.success(), "the server does not build");
        directory.join("thermocline")
    })
}
