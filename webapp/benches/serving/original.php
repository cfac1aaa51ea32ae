<?php
// The front page of the tutorial's demo, logged out, made again from its description for the bench: a session for every
// visitor, a connection to the database before the cache is asked, the block of pictures as HTML in memcached without
// expiry. Left out, to its advantage: the AWS SDK, Predis, and the question for the instance's id.
$db = new PDO('mysql:host=127.0.0.1;port=' . $_SERVER['DB_PORT'] . ';dbname=web_demo;charset=utf8', 'webapp', $_SERVER['DB_PASSWORD']);
$cache = new Memcached();
$cache->addServer('127.0.0.1', (int) $_SERVER['CACHE_PORT']);
session_start();
$server = $_SERVER['SERVER_ADDR'];
$session_id = session_id();

function pictures($db) {
    echo 'Getting latest 10 records from database.<br>';
    $statement = $db->prepare('SELECT * FROM upload_images ORDER BY timeline DESC LIMIT 10');
    $statement->execute();
    $html = '';
    foreach ($statement->fetchAll(PDO::FETCH_ASSOC) as $row) {
        $html .= "<img src='uploads/" . $row['filename'] . "' width=200px height=150px>\n";
    }
    return $html;
}
?>

<html>
<head>
<title>Scalable Web Application</title>
<script src='demo.js'></script>
</head>
<body>
<table width=100% border=0>
<tr>
<td><H1><?php echo $server; ?></H1></td>
<td align='right'>
<form action='index.php' method='post'>
Enter Your Name: <br>
<input type='text' id='username' name='username' size=20><br>
<input type='submit' value='login' name='login'>
</form>
</td>
</tr>
</table>
<hr>
<?php
$html = $cache->get('images_html');
if (!$html) {
    $html = pictures($db);
    $cache->set('images_html', $html);
}
echo $html;
?>
<hr>Session ID: <?php echo $session_id; ?>

</body>
</html>
