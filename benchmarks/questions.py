"""Questions that people ask about software: 100 of 4 to 12 words, and short queries."""

QUESTIONS = """
how can I edit photos on the command line
which program plays music from a network stream
convert a video file to another format
a lightweight web server for static files
library for parsing command line options in C
how do I monitor network traffic in real time
tool to recover deleted files from a disk
read and write spreadsheets from Python
text editor with syntax highlighting for programmers
what can I use to back up my home directory
play old console games with an emulator
scan a document and recognise its text
graphical client for a PostgreSQL database
encrypt a partition with a passphrase
draw diagrams and flow charts for documentation
find duplicate files in a large folder
development files for the image processing library
terminal emulator with tabs and transparency
download a whole web site for reading offline
simulate electronic circuits on a computer
learn to type faster with a game
library for linear algebra with sparse matrices
how to resize a partition without losing data
manage passwords in an encrypted file
stream audio from one machine to another
compress files with a high ratio and good speed
compare two directories and merge the differences
command line client for instant messaging
compile Java programs to native code
view PDF documents with annotations
record the screen and the microphone together
planetarium program showing stars and planets
check the spelling of LaTeX documents
a daemon that limits the bandwidth of users
bindings for using a C library from Ruby
render three dimensional scenes with ray tracing
synchronise files between several computers over the network
mail server that filters spam and viruses
test the memory of a computer for errors
program for typesetting music scores
write a disc image to a USB stick
analyse DNA sequences and find alignments
what tool shows which process uses a file
virtual machine manager with a graphical interface
control a telescope or a camera from the computer
protocol analyser for wireless networks
fonts for writing in Arabic and Persian
password cracker for testing weak passwords
generate documentation from source code comments
browse the web from a text terminal
statistical computing and graphics environment
framework for building web applications in Perl
distribute jobs over many machines of a cluster
log analyser that sends reports by mail
a chess engine with an opening book
create bootable images of a Linux system
measure the speed of hard disks and file systems
library for reading metadata of audio files
manage a collection of books or films
display the weather forecast in the panel
automatic mounting of removable devices
emulate a scanner or a printer for testing
debugger with a graphical front end
make backups to tape or to a remote host
translate messages of programs into other languages
calendar and task manager for the desktop
solve systems of equations symbolically
access a phone's files over USB
static analysis of C and C++ programs
display information about the processor and the mainboard
network file system client with caching
message queue server with persistence
edit audio files with effects and many tracks
small shell for scripts and rescue systems
plugins that add effects to audio workstations
extract the text of office documents
publish photos as a web gallery
machine learning library with neural networks
run programs in a sandbox with few privileges
read electronic books on the desktop
validate XML files against a schema
tools for working with GPS receivers and tracks
simple window manager that uses little memory
store key value pairs on disk efficiently
serve files to Windows computers in the network
rename many files at once with patterns
remote desktop access over a slow connection
convert between character encodings
games for children that teach numbers and letters
find security problems in a web application
library of common data structures for C programs
schedule commands to run at a certain time
show disk usage as a chart
control version history of configuration files
write programs for small microcontrollers
search the content of files with an index
detect intrusions and changed system files
render math formulas on web pages
video conference with several people
parse and change JSON on the command line
""".strip().split("\n")

SHORT_QUERIES = """
image viewer
python
fast compression
audio player
web server
documentation
bluetooth
debugging symbols
common lisp
file manager
ssh client
game data
haskell library
tetris
kernel headers
pdf
dns server
latex fonts
ruby
mail transfer agent
gnome extension
perl module
sqlite
regular expressions
video codec
""".strip().split("\n")
